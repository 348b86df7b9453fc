"""What distinguishes a copy of a made-up document from its template, said once for Python and for the server.

Of many documents only the first are made here, the templates; the server makes the rest from them without a byte on the
wire. A copy has its own `_id` and unique values, dates moved by as many days as its whole batch, and references moved
among those that are referred to about as often. All else is its template's. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wayra_db.errors import GenerateError
from wayra_db.seeds.generate.conforms import bson_type
from wayra_db.seeds.generate.draws import permuter
from wayra_db.seeds.generate.identity import Target, prefix_of
from wayra_db.seeds.generate.model import (
    Array,
    Choice,
    Later,
    Lattice,
    Mixed,
    Moment,
    More,
    Node,
    Number,
    Object,
    Plan,
    Reference,
    Serial,
    SerialBytes,
    SerialChoice,
    SerialText,
    Template,
)
from wayra_db.seeds.generate.patterns import nth

# Primes, so that moving by them comes back late.
_STEP = 7919
_SHIFT_SECONDS = 7_919_173
# Copies spread over half a year beyond their templates.
_SHIFT_RANGE = 180 * 86_400
_TWELVE_DIGITS = 10**12


@dataclass(frozen=True, slots=True)
class Shifted:
    """A date, moved as all dates of the copy are."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A reference, moved within its octave of ranks: those referred to most stay among themselves."""

    prefix: bytes
    count: int
    a: int
    b: int


@dataclass(frozen=True, slots=True)
class NewId:
    """An ObjectId with the copy's number; for a unique reference, with its permuted number below `count`."""

    prefix: bytes
    a: int = 1
    b: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class NewNumber:
    """A text in which the first digits are the template's number."""


@dataclass(frozen=True, slots=True)
class NewValue:
    """The value of a lattice, a list or a shape that belongs to the copy's number."""

    node: Serial | SerialChoice | SerialText
    a: int
    b: int


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields of an object that differ; the names of those that may be absent are in `optional`."""

    fields: Mapping[str, Change] = field(hash=False)
    optional: frozenset[str]


@dataclass(frozen=True, slots=True)
class Each:
    """Every element of an array."""

    change: Change


@dataclass(frozen=True, slots=True)
class Typed:
    """By the BSON type that the value has; of another type it stays."""

    changes: Mapping[str, Change] = field(hash=False)


Change = Shifted | Moved | NewId | NewNumber | NewValue | Fields | Each | Typed


def changes_of(plan: Plan, targets: Mapping[str, Target]) -> Fields:
    """What differs between a copy and its template. Raises GenerateError for a unique field that the server cannot
    number.
    """
    found = _Reader(plan, targets).change(plan.root, "", in_array=False)
    if not isinstance(found, Fields):
        raise GenerateError(f"documents of {plan.collection} have several shapes, which are not multiplied")
    return found


class _Reader:
    def __init__(self, plan: Plan, targets: Mapping[str, Target]) -> None:
        self._plan = plan
        self._targets = targets

    def change(self, node: Node, path: str, *, in_array: bool) -> Change | None:
        """The change of a value, None where it stays."""
        match node:
            case Moment() | Later():
                return Shifted()
            case Choice(values) if values and all(type(value).__name__ == "datetime" for value in values):
                return Shifted()
            case Reference():
                return self._reference(node, path, in_array=in_array)
            case Serial() | SerialChoice() | SerialText() | SerialBytes() | Template():
                return self._serial(node, path, in_array=in_array)
            case Object(fields):
                return self._object(fields, path, in_array=in_array)
            case Array(positions):
                return self._array(positions, path)
            case Mixed(nodes):
                return self._mixed(nodes, path, in_array=in_array)
        return None

    def _object(self, fields: Sequence[Any], path: str, *, in_array: bool) -> Change | None:
        found: dict[str, Change] = {}
        for one in fields:
            below = f"{path}.{one.name}" if path else one.name
            change = self.change(one.node, below, in_array=in_array)
            if change is not None:
                if "." in one.name or one.name.startswith("$") or not one.name:
                    raise self._cannot(below, "a name that looks like an operator or a path")
                found[one.name] = change
        return Fields(found, frozenset(one.name for one in fields if one.share < 1)) if found else None

    def _array(self, positions: Sequence[Node], path: str) -> Change | None:
        changes = {repr(change): change for node in positions if (change := self.change(node, path, in_array=True))}
        if not changes:
            return None
        if len(changes) > 1:
            raise self._cannot(path, "elements of different kinds")
        return Each(next(iter(changes.values())))

    def _mixed(self, nodes: Sequence[Node], path: str, *, in_array: bool) -> Change | None:
        found: dict[str, set[Change | None]] = {}
        for node in nodes:
            change = self.change(node, path, in_array=in_array)
            for kind in _kinds(node):
                found.setdefault(kind, set()).add(change)
        if any(len(changes) > 1 for changes in found.values()):
            raise self._cannot(path, "several kinds of one type")
        changing = {kind: change for kind, (change,) in found.items() if change is not None}
        return Typed(changing) if changing else None

    def _reference(self, node: Reference, path: str, *, in_array: bool) -> Change | None:
        target = self._targets[node.collection]
        if target.ids:
            if node.serial:
                raise self._cannot(path, "a unique reference to documents that nobody made up")
            return None
        if node.serial:
            if in_array:
                raise self._cannot(path, "a unique reference in an array")
            name = f"{self._plan.collection}->{node.collection}"
            return NewId(target.prefix, *permuter(self._plan.random_seed, name, target.count), target.count)
        return Moved(target.prefix, target.count, *permuter(0, node.collection, target.count))

    def _serial(
        self, node: Serial | SerialChoice | SerialText | SerialBytes | Template, path: str, *, in_array: bool
    ) -> Change | None:
        if in_array:
            self._require_free(path, "a unique field in an array")
            return None
        if isinstance(node, SerialBytes):
            if node.kind == "objectId":
                return NewId(prefix_of(self._plan.random_seed, self._plan.collection, path))
            self._require_free(path, "binary data")
            return None
        if isinstance(node, Template):
            before = node.parts[: node.parts.index(None)]
            if any(isinstance(part, str) and any(letter.isdigit() for letter in part) for part in before):
                self._require_free(path, "a text with digits before its number")
                return None
            return NewNumber()
        if isinstance(node, Serial) and node.kind == "decimal":
            self._require_free(path, "decimals")
            return None
        name = f"{self._plan.collection}.{path}"
        return NewValue(node, *permuter(self._plan.random_seed, name, node.room))

    def _require_free(self, path: str, what: str) -> None:
        """A field that need not differ keeps its template's value."""
        if path == "_id" or path in self._plan.unique:
            raise self._cannot(path, what)

    def _cannot(self, path: str, what: str) -> GenerateError:
        return GenerateError(
            f"{self._plan.collection}.{path}: the server cannot multiply {what}",
            collection=self._plan.collection,
            field=path,
            hint="Leave --templates out, or give the field another rule in generate.py.",
        )


def _kinds(node: Node) -> frozenset[str]:
    """The BSON types of what a node makes."""
    match node:
        case Moment() | Later():
            return frozenset({"date"})
        case Serial(kind) | Number(kind) | SerialBytes(kind):
            return frozenset({kind})
        case More():
            return frozenset({node.kind})
        case Reference():
            return frozenset({"objectId"})
        case Object():
            return frozenset({"object"})
        case Array():
            return frozenset({"array"})
        case Choice(values) | SerialChoice(values):
            return frozenset(map(bson_type, values))
    return frozenset({"string"})


def shift_seconds(copy: int) -> int:
    """By how much the dates of the copies of this round are moved."""
    return copy * _SHIFT_SECONDS % _SHIFT_RANGE


# --- in Python -------------------------------------------------------------------------------------------------------


def copied(change: Change, value: Any, number: int, templates: int) -> Any:
    """A copy of a template's value: that of the document `number`, which is above `templates`."""
    copy, place = divmod(number - 1, templates)
    return _copied(change, value, number, place + 1, copy)


def _copied(change: Change, value: Any, number: int, template: int, copy: int) -> Any:
    import datetime

    from bson import ObjectId

    match change:
        case Shifted():
            return value + datetime.timedelta(seconds=shift_seconds(copy))
        case Moved(prefix, count, a, b):
            at = int(str(value)[12:]) - 1
            rank = (at - b) * pow(a, -1, count) % count
            start = (1 << ((rank + 1).bit_length() - 1)) - 1
            size = min(start + 1, count - start)
            moved = start + (rank - start + copy * _STEP) % size
            return ObjectId(prefix + bytes.fromhex(f"{(a * moved + b) % count + 1:012d}"))
        case NewId(prefix, a, b, count):
            at = number - 1 if not count else (a * (number - 1) + b) % count
            return ObjectId(prefix + bytes.fromhex(f"{at + 1:012d}"))
        case NewNumber():
            return value.replace(str(template), str(number), 1)
        case NewValue(node, a, b):
            return _value_of(node, (a * (number - 1) + b) % node.room)
        case Fields(fields):
            return {
                name: _copied(fields[name], one, number, template, copy) if name in fields else one
                for name, one in value.items()
            }
        case Each(inner):
            return [_copied(inner, one, number, template, copy) for one in value]
        case Typed(changes):
            inner_ = changes.get(bson_type(value))
            return value if inner_ is None else _copied(inner_, value, number, template, copy)


def _value_of(node: Serial | SerialChoice | SerialText, k: int) -> Any:
    import datetime

    from wayra_db.seeds.generate.scalars import typed

    if isinstance(node, SerialChoice):
        return node.values[k]
    if isinstance(node, SerialText):
        return nth(node.classes, k)
    value = node.lattice.at(k)
    if node.kind == "date":
        return datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=value)
    return typed(node.kind, value)


# --- on the server ---------------------------------------------------------------------------------------------------


def pipeline(
    change: Fields, documents: Sequence[Any], templates: int, first: int, last: int, into: str, *, some_there: bool
) -> list[dict[str, Any]]:
    """The stages that put the documents `first` to `last` into a collection, from templates as raw documents.

    With `some_there` those that exist are left as they are; else that one exists is an error.
    """
    from bson import Int64

    rounds = [(first - 1) // templates, (last - 1) // templates + 1]
    number = {"$add": ["$t", {"$multiply": ["$k", Int64(templates)]}]}
    shift = {"$mod": [{"$multiply": ["$k", Int64(_SHIFT_SECONDS)]}, Int64(_SHIFT_RANGE)]}
    matched = "keepExisting" if some_there else "fail"
    return [
        {"$documents": [{"d": {"$literal": one}, "t": Int64(at)} for at, one in enumerate(documents, 1)]},
        {"$set": {"k": {"$range": rounds}}},
        {"$unwind": "$k"},
        {"$set": {"n": number, "s": shift}},
        {"$match": {"n": {"$gte": first, "$lte": last}}},
        {
            "$replaceWith": {
                "$let": {
                    "vars": {"d": "$d", "n": "$n", "t": "$t", "k": "$k", "s": "$s"},
                    "in": _expression(change, "$$d", 0),
                }
            }
        },
        {"$merge": {"into": into, "on": "_id", "whenMatched": matched, "whenNotMatched": "insert"}},
    ]


def _expression(change: Change, value: str, depth: int) -> Any:
    from bson import Int64

    match change:
        case Shifted():
            return {"$dateAdd": {"startDate": value, "unit": "second", "amount": "$$s"}}
        case Moved():
            return _moved(change, value)
        case NewId(prefix, a, b, count):
            at: Any = {"$subtract": ["$$n", Int64(1)]}
            return _object_id(prefix, _permuted(at, a, b, count) if count else at)
        case NewNumber():
            return {"$replaceOne": {"input": value, "find": {"$toString": "$$t"}, "replacement": {"$toString": "$$n"}}}
        case NewValue(node, a, b):
            return _new_value(node, _permuted({"$subtract": ["$$n", Int64(1)]}, a, b, node.room))
        case Fields(fields, optional):
            return {
                "$mergeObjects": [
                    value,
                    {
                        name: _if_there(f"{value}.{name}", _expression(one, f"{value}.{name}", depth), name in optional)
                        for name, one in fields.items()
                    },
                ]
            }
        case Each(inner):
            name = f"e{depth}"
            return {"$map": {"input": value, "as": name, "in": _expression(inner, f"$${name}", depth + 1)}}
        case Typed(changes):
            return {
                "$switch": {
                    "branches": [
                        {"case": {"$eq": [{"$type": value}, kind]}, "then": _expression(one, value, depth)}
                        for kind, one in changes.items()
                    ],
                    "default": value,
                }
            }


def _if_there(value: str, expression: Any, optional: bool) -> Any:
    return {"$cond": [{"$eq": [{"$type": value}, "missing"]}, "$$REMOVE", expression]} if optional else expression


def _permuted(at: Any, a: int, b: int, room: int) -> Any:
    from bson import Int64

    # A room beyond 64 bits is never reached, so its remainder is the number itself.
    sum_ = {"$add": [{"$multiply": [at, Int64(a)]}, Int64(b)]}
    return {"$mod": [sum_, Int64(room)]} if room < 2**62 else sum_


def _object_id(prefix: bytes, at: Any) -> Any:
    from bson import Int64

    digits = {"$toString": {"$add": [at, Int64(_TWELVE_DIGITS + 1)]}}
    return {"$toObjectId": {"$concat": [prefix.hex(), {"$substrBytes": [digits, 1, 12]}]}}


def _moved(change: Moved, value: str) -> Any:
    from bson import Int64

    a, b, count = change.a, change.b, change.count
    at = {"$subtract": [{"$toLong": {"$substrBytes": [{"$toString": value}, 12, 12]}}, Int64(1 + b - count)]}
    rank = {"$mod": [{"$multiply": [at, Int64(pow(a, -1, count))]}, Int64(count)]}
    # The half keeps the logarithm away from whole numbers, where it may err to either side.
    octave = {"$floor": {"$log": [{"$add": ["$$rank", 1.5]}, 2]}}
    start = {"$subtract": [{"$toLong": {"$pow": [2, "$$octave"]}}, Int64(1)]}
    size = {"$min": [{"$add": ["$$start", Int64(1)]}, {"$subtract": [Int64(count), "$$start"]}]}
    step = {"$add": [{"$subtract": ["$$rank", "$$start"]}, {"$multiply": ["$$k", Int64(_STEP)]}]}
    moved = {"$add": ["$$start", {"$mod": [step, "$$size"]}]}
    inner = _let({"size": size}, _object_id(change.prefix, _permuted(moved, a, b, count)))
    return _let({"rank": rank}, _let({"octave": octave}, _let({"start": start}, inner)))


def _let(names: Mapping[str, Any], inside: Any) -> Any:
    return {"$let": {"vars": dict(names), "in": inside}}


def _new_value(node: Serial | SerialChoice | SerialText, k: Any) -> Any:
    from bson import Int64

    if isinstance(node, SerialChoice):
        return {"$arrayElemAt": [{"$literal": list(node.values)}, k]}
    if isinstance(node, SerialText):
        return _let({"x": k}, {"$concat": _letters(node.classes)})
    lattice: Lattice = node.lattice
    value: Any = {"$add": [k, Int64(lattice.low)]}
    if lattice.factor != 1:
        value = {"$multiply": [value, lattice.factor]}
    if lattice.scale != 1:
        value = {"$divide": [value, lattice.scale]}
    to = {"int": "$toInt", "long": "$toLong", "double": "$toDouble", "date": "$toDate"}[node.kind]
    return {to: value}


def _letters(classes: Sequence[str]) -> list[Any]:
    """The characters of the text `$$x`, the last one changing fastest."""
    from bson import Int64

    found: list[Any] = []
    radix = 1
    for letters in reversed(classes):
        if len(letters) == 1 or radix >= 2**53:
            found.append({"$literal": letters[0]})
        else:
            whole = {"$subtract": ["$$x", {"$mod": ["$$x", Int64(radix)]}]}
            place = {"$mod": [{"$toLong": {"$divide": [whole, Int64(radix)]}}, Int64(len(letters))]}
            found.append({"$substrCP": [{"$literal": letters}, {"$toInt": place}, 1]})
        radix *= len(letters)
    return list(reversed(found))
