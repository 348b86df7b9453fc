"""From a declaration and a project's rules to a plan: what is made up for each field. Pure, but for reading pools."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from wayra_db.errors import GenerateError
from wayra_db.schema.collection import Collection
from wayra_db.seeds.generate import names, scalars
from wayra_db.seeds.generate.conforms import NUMBERS, conforms, schemas_of, types_of
from wayra_db.seeds.generate.model import Array, Field, Mixed, Node, Object, Plan, Reference, SerialBytes, Serials
from wayra_db.seeds.generate.pools import Pools
from wayra_db.seeds.generate.rules import After, AtLeast, Length, Ref, Rule, Sometimes
from wayra_db.seeds.generate.scalars import Place
from wayra_db.seeds.generate.subset import alternatives, made_types
from wayra_db.seeds.generate.unsupported import UnsupportedError

OPTIONAL_SHARE = 0.8
_USUAL_LENGTH = 3
_MOST_POSITIONS = 10_000
_DEEPEST = 30
# One in so many of a field that may be null is.
_NULLS = 8


def plan_documents(collection: Collection, rules: Mapping[str, Rule], pools: Pools, random_seed: int) -> Plan:
    """How documents of a collection are made.

    Raises GenerateError for a keyword that nothing is made for, a rule for a field that there is not, and a rule whose
    values the declaration does not let in; it names the field.
    """
    return _Planner(collection, rules, pools, random_seed).plan()


class _Planner:
    def __init__(self, collection: Collection, rules: Mapping[str, Rule], pools: Pools, random_seed: int) -> None:
        self._collection = collection
        self._rules = dict(rules)
        self._pools = pools
        self._seed = random_seed
        self._schema = _schema_of(collection)
        self._used: set[str] = set()
        self._known: set[str] = set()
        self._refers_to: set[str] = set()
        self._limits: dict[str, int] = {}
        self._unique: frozenset[str] = frozenset()
        self._positions = 0

    def plan(self) -> Plan:
        """The first choice of unique fields that works: of a compound index one field is enough."""
        problem: GenerateError | None = None
        for unique in _unique_fields(self._collection, self._rules):
            self._unique = unique
            for kept in (self._used, self._known, self._refers_to):
                kept.clear()
            self._limits.clear()
            self._positions = 0
            try:
                root = self._root()
            except GenerateError as error:
                problem = problem or error
                continue
            self._require_used()
            limits = tuple(sorted(self._limits.items()))
            refers_to = frozenset(self._refers_to)
            return Plan(self._collection.name, self._seed, root, refers_to, unique, limits)
        raise problem or GenerateError(f"nothing can be made for {self._collection.name}")

    def _root(self) -> Node:
        with_type = {"bsonType": "object", **self._schema} if types_of(self._schema) is None else self._schema
        try:
            found = alternatives(with_type)
        except UnsupportedError as error:
            raise self._unsupported("", error) from error
        return self._mixed([self._object("", one, unique=False, many=1, depth=0) for one in found])

    def _mixed(self, nodes: Sequence[Node]) -> Node:
        return nodes[0] if len(nodes) == 1 else Mixed(tuple(nodes))

    # --- values ----------------------------------------------------------------------------------------------------

    def _value(
        self, path: str, schema: Mapping[str, Any], rule: Rule | None, *, unique: bool, many: int, depth: int
    ) -> Node:
        """What is made for a field or an element."""
        if rule is not None and not isinstance(rule, Length):
            return self._ruled(path, schema, rule, unique=unique, many=many)
        if depth > _DEEPEST:
            raise self._unsupported(path, UnsupportedError("properties", f"nested deeper than {_DEEPEST} levels"))
        try:
            found = alternatives(schema)
        except UnsupportedError as error:
            raise self._unsupported(path, error) from error
        nodes: list[Node] = []
        problem: UnsupportedError | None = None
        for one in found:
            try:
                kinds = ["enum"] if "enum" in one else made_types(one)
            except UnsupportedError as error:
                problem = problem or error
                continue
            if types_of(one) is None and "enum" not in one and self._has_rules_below(path):
                kinds = ["object"]
            if isinstance(rule, Length) and (types_of(one) or {"array"}) >= {"array"}:
                kinds = ["array"]
            several = [kind for kind in kinds if kind != "null"]
            for kind in kinds:
                if unique and kind == "null" and several:
                    continue
                try:
                    node = self._of_kind(path, one, kind, rule, unique=unique, many=many, depth=depth)
                except UnsupportedError as error:
                    problem = problem or error
                    continue
                nodes += [node] * (1 if kind == "null" or not several or "null" not in kinds else _NULLS)
                if unique:
                    return node
        if not nodes:
            raise self._unsupported(path, problem or UnsupportedError("bsonType", "nothing can be made of it"))
        return self._mixed(nodes)

    def _of_kind(
        self,
        path: str,
        schema: Mapping[str, Any],
        kind: str,
        rule: Rule | None,
        *,
        unique: bool,
        many: int,
        depth: int,
    ) -> Node:
        if kind == "object":
            return self._object(path, schema, unique=unique, many=many, depth=depth)
        if kind == "array":
            length = rule if isinstance(rule, Length) else None
            return self._array(path, schema, length, unique=unique, many=many, depth=depth)
        return self._limited(path, scalars.scalar(self._place(path, schema, unique), kind, self._pools), many)

    def _ruled(self, path: str, schema: Mapping[str, Any], rule: Rule, *, unique: bool, many: int) -> Node:
        try:
            node = scalars.ruled(self._place(path, schema, unique), rule, self._pools)
        except UnsupportedError as error:
            raise GenerateError(
                f"{self._collection.name}.{path}: the rule {type(rule).__name__} does not go with the declaration: "
                f"{error.why}",
                collection=self._collection.name,
                field=path,
                hint="Change the rule in generate.py.",
            ) from error
        if isinstance(node, Reference):
            self._refers_to.add(node.collection)
        return self._limited(path, node, many)

    def _limited(self, path: str, node: Node, many: int) -> Node:
        """Note of how many documents there can be values for."""
        room = _room(node)
        if room is not None and path in self._unique:
            self._limits[path] = room // many
        return node

    def _place(self, path: str, schema: Mapping[str, Any], unique: bool) -> Place:
        chance = Random(f"{self._seed}:{self._collection.name}:{path}")  # noqa: S311 - made-up data, to be made again
        return Place(path, schema, unique, chance)

    # --- objects ---------------------------------------------------------------------------------------------------

    def _object(self, path: str, schema: Mapping[str, Any], *, unique: bool, many: int, depth: int) -> Object:
        required = list(schema.get("required", ()))
        properties = self._properties(path, schema, required)
        if not path and "_id" not in properties:
            properties = {"_id": {}, **properties}
        fields = []
        serial_left = unique
        for name, declared in sorted(properties.items(), key=lambda item: item[0] != "_id" or bool(path)):
            below = f"{path}.{name}" if path else name
            self._known.add(below)
            always = name in required or self._leads_to_unique(below) or (not path and name == "_id")
            share = self._share(below, always=always, required=name in required)
            serial = below in self._unique or (not path and name == "_id")
            if serial_left and share == 1.0 and name in required and not self._is_array(declared):
                serial, serial_left = True, False
            node = self._field(below, name, declared, properties, unique=serial, many=many, depth=depth + 1)
            fields.append(Field(name, node, share))
        if serial_left:
            keyword = "unique" if path in self._unique else "uniqueItems"
            raise UnsupportedError(keyword, "the objects in it have no required field that could differ")
        return self._counted(path, schema, fields, depth)

    def _field(
        self,
        path: str,
        name: str,
        schema: Mapping[str, Any],
        siblings: Mapping[str, Mapping[str, Any]],
        *,
        unique: bool,
        many: int,
        depth: int,
    ) -> Node:
        rule = self._rule(path)
        if path == "_id" and rule is None and conforms(schema, _an_id()):
            return SerialBytes("objectId")
        if rule is None and not unique:
            rule = self._told_by_name(name, schema, siblings)
        return self._value(path, schema, rule, unique=unique, many=many, depth=depth)

    def _told_by_name(
        self, name: str, schema: Mapping[str, Any], siblings: Mapping[str, Mapping[str, Any]]
    ) -> Rule | None:
        """A field that comes after another one by its name."""
        types = types_of(schema)
        if types is None or schema.keys() & {"enum", "allOf", "anyOf", "oneOf", "not"}:
            return None
        if types == frozenset({"date"}):
            same = [one for one, other in siblings.items() if types_of(other) == types]
            earlier = names.comes_after(name, same)
            return After(earlier) if earlier else None
        if types <= NUMBERS:
            same = [one for one, other in siblings.items() if (types_of(other) or {"?"}) <= NUMBERS]
            smaller = names.is_at_least(name, same)
            return AtLeast(smaller) if smaller else None
        return None

    def _properties(self, path: str, schema: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
        """The fields that are made: the declared ones, and in an open object those that are required or have a rule."""
        found: dict[str, Any] = {}
        prefix = f"{path}." if path else ""
        wanted = [rule.removeprefix(prefix).split(".")[0] for rule in self._rules if rule.startswith(prefix)]
        for name in (*schema.get("properties", {}), *required, *wanted):
            schemas = schemas_of(schema, name)
            if not schemas and schema.get("additionalProperties") is False:
                if name in required:
                    raise UnsupportedError("required", f"{name!r} is required and not allowed")
                continue
            found[name] = schemas[0] if len(schemas) == 1 else {"allOf": schemas} if schemas else {}
        return found

    def _counted(self, path: str, schema: Mapping[str, Any], fields: list[Field], depth: int) -> Object:
        """With as many fields as `minProperties` and `maxProperties` say; unnamed ones are added where needed."""
        least, most = int(schema.get("minProperties", 0)), schema.get("maxProperties")
        more = schema.get("additionalProperties", True)
        known = {field.name for field in fields}
        while len(fields) < least:
            name = f"field{len(fields) + 1}"
            if more is False or name in known:
                raise UnsupportedError("minProperties", f"there are only {len(fields)} fields")
            declared = more if isinstance(more, Mapping) else {}
            node = self._value(f"{path}.{name}", declared, None, unique=False, many=1, depth=depth + 1)
            fields.append(Field(name, node, 1.0))
        together = tuple(
            (name, tuple(needed)) for name, needed in schema.get("dependencies", {}).items() if name in known
        )
        for name, needed in together:
            missing = [one for one in needed if one not in known]
            if missing:
                raise UnsupportedError("dependencies", f"{name!r} needs {missing[0]!r}, which is not declared")
        if most is not None and sum(field.share == 1.0 for field in fields) > most:
            raise UnsupportedError("maxProperties", f"more than {most} fields are always there")
        return Object(tuple(fields), least, None if most is None else int(most), together)

    def _share(self, path: str, *, always: bool, required: bool) -> float:
        rule = self._rules.get(path)
        if isinstance(rule, Sometimes):
            if not 0 <= rule.share <= 1:
                raise self._wrong_rule(path, "a share is a number from 0 to 1")
            if required and rule.share < 1:
                raise self._wrong_rule(path, "the declaration requires the field, so it cannot be there sometimes")
            return 1.0 if always else rule.share
        return 1.0 if always or path in self._rules else OPTIONAL_SHARE

    # --- arrays ----------------------------------------------------------------------------------------------------

    def _array(
        self, path: str, schema: Mapping[str, Any], rule: Length | None, *, unique: bool, many: int, depth: int
    ) -> Node:
        low, high = self._lengths(path, schema, rule)
        if unique or self._leads_to_unique(path):
            low = max(low, 1)
            high = max(low, high)
        distinct = bool(schema.get("uniqueItems"))
        positions: list[Node] = []
        shared: Node | None = None
        for at in range(high):
            items = _items(schema, at)
            if items is None:
                break
            if shared is None or not isinstance(schema.get("items", {}), Mapping):
                of = rule.of if rule is not None else None
                shared = self._value(path, items, of, unique=unique or distinct, many=many * high, depth=depth + 1)
            positions.append(shared)
        self._positions += len(positions)
        if self._positions * many > _MOST_POSITIONS:
            raise UnsupportedError("minItems", f"arrays of more than {_MOST_POSITIONS:,} elements in one document")
        rooms = [room for node in positions if (room := _room(node)) is not None]
        if distinct and rooms:
            positions = positions[: min(rooms)]
        if len(positions) < low:
            raise UnsupportedError("minItems", f"there are only {len(positions)} elements to choose from")
        # What is unique over all documents differs within one.
        return Array(tuple(positions), low, distinct and not unique and not self._leads_to_unique(path))

    def _lengths(self, path: str, schema: Mapping[str, Any], rule: Length | None) -> tuple[int, int]:
        low, most = int(schema.get("minItems", 0)), schema.get("maxItems")
        if rule is not None:
            if not 0 <= rule.low <= rule.high or rule.low < low or (most is not None and rule.high > most):
                bounds = f"{low} or more" if most is None else f"{low} to {most}"
                raise self._wrong_rule(path, f"the declaration wants {bounds} elements")
            return rule.low, rule.high
        high = low + _USUAL_LENGTH if most is None else min(int(most), low + _USUAL_LENGTH)
        if high < low:
            raise UnsupportedError("maxItems", "it is below minItems")
        return low, high

    # --- rules -----------------------------------------------------------------------------------------------------

    def _rule(self, path: str) -> Rule | None:
        rule = self._rules.get(path)
        if rule is not None:
            self._used.add(path)
        return rule.rule if isinstance(rule, Sometimes) else rule

    def _has_rules_below(self, path: str) -> bool:
        return any(one.startswith(f"{path}.") for one in self._rules)

    def _leads_to_unique(self, path: str) -> bool:
        return any(one == path or one.startswith(f"{path}.") for one in self._unique)

    @staticmethod
    def _is_array(schema: Mapping[str, Any]) -> bool:
        return types_of(schema) == frozenset({"array"})

    def _require_used(self) -> None:
        for path in self._rules:
            if path not in self._used and path not in self._known:
                near = difflib.get_close_matches(path, self._known, n=1)
                raise GenerateError(
                    f"{self._collection.name} has no field {path!r}, for which there is a rule",
                    collection=self._collection.name,
                    field=path,
                    hint=f"Did you mean {near[0]!r}?" if near else "Correct the rule in generate.py.",
                )

    def _wrong_rule(self, path: str, why: str) -> GenerateError:
        return GenerateError(
            f"{self._collection.name}.{path}: {why}",
            collection=self._collection.name,
            field=path,
            hint="Change the rule in generate.py.",
        )

    def _unsupported(self, path: str, error: UnsupportedError) -> GenerateError:
        where = f"{self._collection.name}.{path}" if path else self._collection.name
        return GenerateError(
            f"{where}: nothing can be made for {error.keyword!r}: {error.why}",
            collection=self._collection.name,
            field=path,
            hint=f"Give the field a rule in generate.py, or change {error.keyword!r} in {self._collection.path.name}.",
        )


def _items(schema: Mapping[str, Any], at: int) -> Mapping[str, Any] | None:
    """What the element at a place has to meet; None where there may be none."""
    items = schema.get("items", {})
    if isinstance(items, Mapping):
        return items
    if at < len(items):
        found: Mapping[str, Any] = items[at]
        return found
    more = schema.get("additionalItems", True)
    return more if isinstance(more, Mapping) else {} if more else None


def _schema_of(collection: Collection) -> Mapping[str, Any]:
    """The `$jsonSchema` of a validator, those inside `$and` included; what else is in it, only the server can judge."""
    found: list[Mapping[str, Any]] = []
    open_: list[Mapping[str, Any]] = [collection.validator or {}]
    while open_:
        one = open_.pop(0)
        if "$jsonSchema" in one:
            found.append(one["$jsonSchema"])
        open_ += one.get("$and", ())
    return found[0] if len(found) == 1 else {"allOf": found} if found else {}


def _unique_fields(collection: Collection, rules: Mapping[str, Rule]) -> list[frozenset[str]]:
    """The fields to be made unique: of each unique index one, the likeliest choice first."""
    choices: list[list[str]] = []
    for index in collection.index_documents():
        fields = [name for name, kind in index["key"].items() if kind in (1, -1)]
        if not index.get("unique") or not fields or "_id" in fields:
            continue
        # What depends on another value is not free to be unique.
        bound = (After, AtLeast, Ref)
        choices.append(sorted(fields, key=lambda name: isinstance(rules.get(name), bound)))
    found: list[frozenset[str]] = [frozenset()]
    for fields in choices:
        found = [one | {name} for name in fields for one in found][:64]
    return found


def _room(node: Node) -> int | None:
    """How many different values of a node there are, as far as that is what makes it unique; None for enough."""
    if isinstance(node, Object):
        rooms = [_room(field.node) for field in node.fields if isinstance(field.node, Serials)]
        return None if None in rooms else max((room for room in rooms if room is not None), default=None)
    room: int | None = getattr(node, "room", None)
    return room


def _an_id() -> Any:
    from bson import ObjectId

    return ObjectId(b"\x5e\xed" + bytes(10))
