"""What is made for a single value, by its type and name, or by a rule. Pure, but for reading pools."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from wayra_db.seeds.generate import names
from wayra_db.seeds.generate.conforms import NUMBERS, conforms, types_of
from wayra_db.seeds.generate.model import (
    Call,
    Choice,
    Later,
    Lattice,
    Moment,
    More,
    Node,
    Number,
    NumberType,
    Reference,
    Serial,
    SerialBytes,
    SerialChoice,
    SerialText,
    Template,
)
from wayra_db.seeds.generate.numbers import lattice
from wayra_db.seeds.generate.patterns import LETTERS, Pattern
from wayra_db.seeds.generate.pools import Pools
from wayra_db.seeds.generate.rules import (
    After,
    AtLeast,
    Between,
    Faked,
    Made,
    Normal,
    Numbered,
    OneOf,
    Pool,
    Ref,
    Rule,
    Zipf,
)
from wayra_db.seeds.generate.subset import merge
from wayra_db.seeds.generate.unsupported import UnsupportedError
from wayra_db.seeds.generate.words import EMAIL

# The days of which dates are when nothing says otherwise: always the same ones, whatever the day.
FIRST_DAY = datetime(2023, 1, 1, tzinfo=UTC)
LAST_DAY = datetime(2025, 12, 31, tzinfo=UTC)
_SECOND = 1000
_TEXTS = 500
_TABLE = 1000
_ROOM = 10**15
_PLACE = re.compile(r"\{([a-z_]*)\}")
# The numbers that a text with a number in it is tried with.
_NUMBERS = (1, 2, 10, 99, 12_345, 999_999, 10**9 + 7)


@dataclass(frozen=True, slots=True)
class Place:
    """A value that is to be made: where, what it has to meet, whether no two may be equal. `chance` is its own."""

    path: str
    schema: Mapping[str, Any]
    unique: bool
    chance: Random

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(".")[2]


def milliseconds(moment: datetime) -> int:
    """Since 1970; without a time zone it is UTC, as the driver has it."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


# --- by type ---------------------------------------------------------------------------------------------------------


def scalar(place: Place, kind: str, pools: Pools) -> Node:
    """What is made for a value of a type, or for "enum". Raises UnsupportedError."""
    match kind:
        case "enum":
            rest = {name: value for name, value in place.schema.items() if name != "enum"}
            return _chosen(place, [value for value in place.schema["enum"] if conforms(rest, value)], "enum")
        case "string":
            return _text(place, pools)
        case "int" | "long" | "double" | "decimal":
            return _number(place, kind)
        case "bool":
            return _chosen(place, [True, False], "bool")
        case "date":
            low, high = milliseconds(FIRST_DAY), milliseconds(LAST_DAY)
            return _moment(place, low, high)
        case "objectId" | "binData":
            return SerialBytes(kind)
        case "timestamp":
            from bson import Timestamp

            first = milliseconds(FIRST_DAY) // 1000
            return _chosen(place, [Timestamp(first + 60 * at, 1) for at in range(_TABLE)], "timestamp")
        case "null":
            return _chosen(place, [None], "null")
    raise UnsupportedError("bsonType", f"nothing is made of the type {kind}")


def _chosen(place: Place, values: Sequence[Any], keyword: str) -> Node:
    if not values:
        raise UnsupportedError(keyword, "none of the values meets the rest of the declaration")
    return SerialChoice(_each_once(values)) if place.unique else Choice(tuple(values))


def _each_once(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple({repr(value): value for value in values}.values())


def _text(place: Place, pools: Pools) -> Node:
    schema = place.schema
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    if most is not None and most < least:
        raise UnsupportedError("maxLength", "it is below minLength")
    if names.is_email(place.name) and (found := _fitting(place, _template(EMAIL, pools))):
        return found
    if place.unique:
        found = _fitting(place, Template((f"{place.name}-", None)))
        return found or SerialText(tuple(_pattern(place).widest(place.chance, _ROOM)))
    if (pool := names.pool_of(place.name)) is not None:
        words = [word for word in pools.words(pool) if conforms(schema, word)]
        if words:
            return Choice(tuple(words))
    if "pattern" not in schema and (words := [word for word in pools.words("word") if conforms(schema, word)]):
        return Choice(tuple(words))
    return Choice(tuple(_pattern(place).samples(place.chance, _TEXTS)))


def _pattern(place: Place) -> Pattern:
    least, most = int(place.schema.get("minLength", 0)), place.schema.get("maxLength")
    if "pattern" in place.schema:
        return Pattern(place.schema["pattern"], least, most)
    length = max(least, 12 if most is None else min(12, int(most)))
    return Pattern(f"^[{LETTERS}0-9]{{{length}}}$", least, most)


def _template(text: str, pools: Pools) -> Template:
    """The parts of a text with names in braces. Raises UnsupportedError."""
    parts: list[str | tuple[str, ...] | None] = []
    at = 0
    for found in _PLACE.finditer(text):
        if found.start() > at:
            parts.append(text[at : found.start()])
        if found[1] == "number":
            parts.append(None)
        else:
            # A digit in a word beside the number could make one text of two numbers.
            words = [word for word in pools.words(found[1]) if not any(letter.isdigit() for letter in word)]
            if not words:
                raise UnsupportedError("Numbered", f"all words of {found[1]!r} have digits in them")
            parts.append(tuple(_in_an_address(word) for word in words) if "@" in text else tuple(words))
        at = found.end()
    if at < len(text):
        parts.append(text[at:])
    if parts.count(None) != 1:
        raise UnsupportedError("Numbered", "write {number} once into the text")
    return Template(tuple(parts))


def _in_an_address(word: str) -> str:
    """A word as it stands in an address: small letters without spaces."""
    return "".join(letter for letter in word.lower() if letter.isalpha()) or "x"


def _fitting(place: Place, template: Template) -> Template | None:
    """The template without the words that do not go with the declaration; None where nothing is left."""
    longest = []
    for part in template.parts:
        if isinstance(part, tuple):
            longest.append(sorted(part, key=len))
        else:
            longest.append([part])
    for at in (0, -1):
        for number in _NUMBERS:
            text = "".join(str(number) if words[at] is None else str(words[at]) for words in longest)
            if not conforms(place.schema, text):
                return None
    for at, part in enumerate(template.parts):
        if isinstance(part, tuple):
            for word in part:
                words = [str(one[0] if one[0] is not None else 7) for one in longest]
                words[at] = word
                if not conforms(place.schema, "".join(words)):
                    return None
    return template


def _number(place: Place, kind: NumberType) -> Node:
    if place.unique:
        found = lattice(place.schema, kind, usual=False)
        return Serial(kind, found)
    return Number(kind, lattice(place.schema, kind))


def _moment(place: Place, low: int, high: int) -> Node:
    if place.unique:
        return Serial("date", Lattice(low, high - low))
    return Moment(low, high)


# --- by rule ---------------------------------------------------------------------------------------------------------


def ruled(place: Place, rule: Rule, pools: Pools) -> Node:
    """What a rule makes for a value. Raises UnsupportedError where the declaration does not let that in."""
    match rule:
        case OneOf(values, weights):
            return _one_of(place, values, weights)
        case Pool(name):
            return _one_of(place, [word for word in pools.words(name) if conforms(place.schema, word)], None)
        case Faked():
            return _one_of(place, [value for value in pools.faked(rule) if conforms(place.schema, value)], None)
        case Between(datetime() as low, datetime() as high):
            _require_type(place, "date")
            if high < low:
                raise UnsupportedError("Between", "`high` is before `low`")
            return _moment(place, milliseconds(low), milliseconds(high))
        case Between(low, high):
            return _between(place, low, high)
        case Normal(mean, deviation, low, high):
            return _normal(place, mean, deviation, low, high)
        case Zipf(low, high, exponent):
            kind = _kind_of(place, whole=True)
            return _checked(place, [typed(kind, value) for value in _zipf_table(low, high, exponent)])
        case After(path, at_most):
            _require_type(place, "date")
            return Later(path, int(at_most.total_seconds()) * _SECOND)
        case AtLeast(path, at_most_more):
            kind = _kind_of(place, whole=isinstance(at_most_more, int))
            return More(path, at_most_more, kind, lattice(place.schema, kind, usual=False))
        case Ref(collection, exponent):
            if not 0 <= exponent <= 3:
                raise UnsupportedError("Ref", "its exponent is a number from 0 to 3")
            return Reference(collection, exponent, place.unique)
        case Numbered(text):
            template = _fitting(place, _template(text, pools))
            if template is None:
                raise UnsupportedError("Numbered", "the declaration does not let such texts in")
            return template
        case Made(function):
            return Call(function)
    raise UnsupportedError(type(rule).__name__, "it is for arrays: Length(0, 3, of=...)")


def _one_of(place: Place, values: Sequence[Any], weights: Sequence[float] | str | None) -> Node:
    if not values:
        raise UnsupportedError("OneOf", "no value is left that the declaration lets in")
    for value in values:
        if not conforms(place.schema, value):
            raise UnsupportedError("OneOf", f"{value!r} is not let in")
    if place.unique:
        return SerialChoice(_each_once(values))
    if weights is None:
        return Choice(tuple(values))
    shares = [1 / (at + 1) for at in range(len(values))] if weights == "zipf" else [float(one) for one in weights]
    if len(shares) != len(values) or min(shares) < 0 or not sum(shares) > 0:
        raise UnsupportedError("OneOf", "`weights` has a number of 0 or more for each value")
    return Choice(tuple(values[at] for at in _spread(shares)))


def _spread(shares: Sequence[float]) -> list[int]:
    """Each place of a list as often as its share says, in a table of a thousand or more."""
    size = max(_TABLE, len(shares) * 10)
    total, passed, table = sum(shares), 0.0, list[int]()
    for at, share in enumerate(shares):
        passed += share
        table += [at] * (round(passed / total * size) - len(table))
    return table


def _between(place: Place, low: Any, high: Any) -> Node:
    if high < low:
        raise UnsupportedError("Between", "`high` is below `low`")
    kind = _kind_of(place, whole=isinstance(low, int) and isinstance(high, int))
    schema = {name: value for name, value in place.schema.items() if name == "multipleOf"}
    found = lattice({**schema, "minimum": low, "maximum": high}, kind, usual=False)
    for k in (0, found.steps):
        _require(place, typed(kind, found.at(k)))
    return Serial(kind, found) if place.unique else Number(kind, found)


def _normal(place: Place, mean: float, deviation: float, low: float | None, high: float | None) -> Node:
    from statistics import NormalDist

    if deviation <= 0:
        raise UnsupportedError("Normal", "`deviation` is above 0")
    kind = _kind_of(place, whole=False)
    bounds = {name: value for name, value in (("minimum", low), ("maximum", high)) if value is not None}
    allowed = lattice(merge(place.schema, bounds), kind, usual=False)
    curve = NormalDist(mean, deviation)
    table = [curve.inv_cdf((at + 0.5) / _TABLE) for at in range(_TABLE)]
    return _checked(place, [typed(kind, allowed.at(allowed.next_to(value))) for value in table])


def _zipf_table(low: int, high: int, exponent: float) -> list[int]:
    if high < low or exponent < 0:
        raise UnsupportedError("Zipf", "`high` is not below `low`, and `exponent` not below 0")
    count = min(high - low + 1, 100_000)
    return [low + at for at in _spread([(at + 1) ** -exponent for at in range(min(count, 10 * _TABLE))])]


def _checked(place: Place, values: Sequence[Any]) -> Node:
    if place.unique:
        raise UnsupportedError("unique", "the field must be unique, and such numbers repeat")
    _require(place, values[0])
    _require(place, values[-1])
    return Choice(tuple(values))


def _require(place: Place, value: Any) -> None:
    if not conforms(place.schema, value):
        raise UnsupportedError("rule", f"{value!r} is not let in")


def _require_type(place: Place, kind: str) -> None:
    types = types_of(place.schema)
    if types is not None and kind not in types:
        raise UnsupportedError("bsonType", f"a {kind} is not let in")


def _kind_of(place: Place, *, whole: bool) -> NumberType:
    types = types_of(place.schema)
    order: tuple[NumberType, ...] = (
        ("int", "long", "double", "decimal") if whole else ("double", "decimal", "int", "long")
    )
    for kind in order:
        if (types is None or kind in types) and (kind in NUMBERS):
            return kind
    raise UnsupportedError("bsonType", "a number is not let in")


def typed(kind: str, value: float) -> Any:
    """A number as the driver stores it with this type."""
    if kind == "double":
        return float(value)
    if kind == "decimal":
        from bson import Decimal128

        return Decimal128(str(value))
    if kind == "long":
        from bson import Int64

        return Int64(value)
    return int(value)
