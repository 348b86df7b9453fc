"""The rules a declaration must keep, checked before a server is asked; each broken one is a `Mistake` with its place.

Pure: looks at one declaration's values and at nothing else. What only a server can know (a collation's locale, whether
its version has a feature) is left to the server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wayra_db.schema.index_rules import index_mistakes
from wayra_db.schema.jsonschema import did_you_mean, is_closed, names_fields, parent_of, schema_mistakes
from wayra_db.schema.locate import Mistake, Where
from wayra_db.schema.mask import Mask
from wayra_db.schema.values import value_mistakes

if TYPE_CHECKING:
    from wayra_db.schema.collection import Collection

OWN_PREFIX = "_wayra_"
VALIDATION_LEVELS = ("strict", "moderate", "off")
VALIDATION_ACTIONS = ("error", "warn", "errorAndLog")

_OPTION_KEYS = {
    "capped": ("size", "max"),
    "timeseries": ("timeField", "metaField", "granularity", "bucketMaxSpanSeconds", "bucketRoundingSeconds"),
    "clustered_index": ("key", "unique", "name"),
}
_CONTRADICTIONS = (
    ("timeseries", "capped", "a time series cannot be capped"),
    ("timeseries", "clustered_index", "a time series is clustered by its time field already"),
    ("timeseries", "validator", "the server validates no documents of a time series"),
    ("capped", "clustered_index", "a capped collection cannot be clustered"),
    ("capped", "shard_key", "a capped collection cannot be sharded"),
)
_DOCUMENTS = ("validator", "collation", "capped", "timeseries", "clustered_index", "shard_key")


def first_mistake(collection: Collection) -> Mistake | None:
    """The mistake to report, None when there is none; the ones that others follow from come first."""
    return next(_mistakes(collection), None)


def _mistakes(collection: Collection) -> Iterator[Mistake]:
    # Each rule may rely on those before it, since nobody asks for a second mistake.
    yield from _name_mistakes(collection.name)
    yield from _kind_mistakes(collection)
    yield from _value_mistakes(collection)
    yield from _option_mistakes(collection)
    if collection.validator is not None:
        yield from _validator_mistakes(collection.validator, ("validator",))
    yield from index_mistakes(collection.indexes)
    yield from _sensitive_mistakes(collection)


def _name_mistakes(name: Any) -> Iterator[Mistake]:
    where = ("name",)
    if not isinstance(name, str):
        hint = 'Write Collection("users", ...).'
        yield Mistake(f"a collection's name must be a string, found {type(name).__name__}", where, hint=hint)
    elif not name:
        yield Mistake("a collection's name must not be empty", where, name)
    elif "\0" in name or "$" in name:
        yield Mistake(f"a collection's name cannot contain '$' or a null character: {name!r}", where, name)
    elif name.startswith(".") or name.endswith(".") or ".." in name:
        yield Mistake(f"a collection's name cannot start or end with a dot or hold two in a row: {name!r}", where, name)
    elif name.startswith("system."):
        yield Mistake(f"names that start with 'system.' belong to the server: {name!r}", where, name)
    elif name.startswith(OWN_PREFIX):
        yield Mistake(f"names that start with {OWN_PREFIX!r} belong to wayra-db: {name!r}", where, name)


def _kind_mistakes(collection: Collection) -> Iterator[Mistake]:
    for option in (*_DOCUMENTS, "sensitive"):
        value = getattr(collection, option)
        is_mapping = isinstance(value, Mapping) or (option == "collation" and hasattr(value, "document"))
        if value is not None and not is_mapping:
            yield Mistake(f"{option} must be a dict, found {type(value).__name__}", (option,), option)
    if not isinstance(collection.indexes, (list, tuple)):
        found = type(collection.indexes).__name__
        yield Mistake(f"indexes must be a list of IndexModel, found {found}", ("indexes",))
    for position, index in enumerate(collection.indexes):
        if not isinstance(getattr(index, "document", None), Mapping):
            hint = 'Write IndexModel([("email", 1)], unique=True), from pymongo.'
            message = f"indexes must hold IndexModel objects, found {type(index).__name__}"
            yield Mistake(message, ("indexes", position), hint=hint)


def _value_mistakes(collection: Collection) -> Iterator[Mistake]:
    for option in _DOCUMENTS:
        value = getattr(collection, option)
        yield from value_mistakes(value if isinstance(value, Mapping) else None, (option,))
    for position, index in enumerate(collection.indexes):
        yield from value_mistakes(index.document, ("indexes", position))


def _option_mistakes(collection: Collection) -> Iterator[Mistake]:
    for option, allowed in (("validation_level", VALIDATION_LEVELS), ("validation_action", VALIDATION_ACTIONS)):
        value = getattr(collection, option)
        if value is not None and value not in allowed:
            hint = did_you_mean(str(value), allowed) or f"One of {', '.join(allowed)}."
            yield Mistake(f"unknown {option} {value!r}", (option,), value, hint)
        elif value is not None and collection.validator is None:
            yield Mistake(f"{option} means nothing without a validator", (option,), value)
    for first, second, why in _CONTRADICTIONS:
        if getattr(collection, first) is not None and getattr(collection, second) is not None:
            yield Mistake(f"{first} and {second} cannot stand together: {why}", (second,))
    for option, known in _OPTION_KEYS.items():
        for key in getattr(collection, option) or ():
            if key not in known:
                yield Mistake(f"{option} has no option {key!r}", (option, key), key, did_you_mean(str(key), known))
    yield from _capped_mistakes(collection.capped)
    yield from _timeseries_mistakes(collection.timeseries)
    yield from _clustered_mistakes(collection.clustered_index)
    yield from _expiry_mistakes(collection)
    yield from _shard_key_mistakes(collection)
    if isinstance(collection.collation, Mapping) and "locale" not in collection.collation:
        yield Mistake("collation needs a locale", ("collation",), hint='For example {"locale": "en", "strength": 2}.')


def _capped_mistakes(capped: Mapping[str, Any] | None) -> Iterator[Mistake]:
    if capped is not None and not (_is_whole(capped.get("size")) and capped["size"] > 0):
        hint = 'For example capped={"size": 1_048_576, "max": 1000}.'
        yield Mistake("capped needs 'size', the bytes to keep, above 0", ("capped", "size"), "size", hint)
    if capped is not None and not _is_whole(capped.get("max", 0)):
        yield Mistake("capped's 'max' must be a whole number of documents", ("capped", "max"), "max")


def _timeseries_mistakes(timeseries: Mapping[str, Any] | None) -> Iterator[Mistake]:
    if timeseries is None:
        return
    time_field, meta_field = timeseries.get("timeField"), timeseries.get("metaField")
    if not isinstance(time_field, str) or not time_field or "." in time_field:
        yield Mistake("timeseries needs 'timeField', a field at the top level", ("timeseries", "timeField"))
    elif meta_field is not None and meta_field in (time_field, "_id"):
        yield Mistake(f"timeseries cannot use {meta_field!r} as metaField", ("timeseries", "metaField"), meta_field)
    granularity = timeseries.get("granularity", "seconds")
    if granularity not in ("seconds", "minutes", "hours"):
        where: Where = ("timeseries", "granularity")
        yield Mistake(f"unknown granularity {granularity!r}", where, granularity, "One of seconds, minutes, hours.")


def _clustered_mistakes(clustered: Mapping[str, Any] | None) -> Iterator[Mistake]:
    if clustered is not None and (clustered.get("key") != {"_id": 1} or clustered.get("unique") is not True):
        hint = 'The server has one form: {"key": {"_id": 1}, "unique": True}.'
        yield Mistake("clustered_index must be unique over _id", ("clustered_index",), hint=hint)


def _expiry_mistakes(collection: Collection) -> Iterator[Mistake]:
    seconds = collection.expire_after_seconds
    where = ("expire_after_seconds",)
    if seconds is None:
        return
    if not _is_whole(seconds) or seconds < 0:
        yield Mistake("expire_after_seconds must be a whole number of seconds, 0 or more", where)
    elif collection.timeseries is None and collection.clustered_index is None:
        hint = "Elsewhere documents expire by an index: IndexModel([(field, 1)], expireAfterSeconds=...)."
        yield Mistake("expire_after_seconds is for time series and clustered collections", where, hint=hint)


def _shard_key_mistakes(collection: Collection) -> Iterator[Mistake]:
    key = collection.shard_key
    if key is None:
        return
    where: Where = ("shard_key",)
    if not key:
        yield Mistake("shard_key must name at least one field", where)
    for name, order in key.items():
        if order not in (1, "hashed") or isinstance(order, bool):
            yield Mistake(f"shard_key must say 1 or 'hashed' for {name!r}, not {order!r}", (*where, name), name)
    if list(key.values()).count("hashed") > 1:
        yield Mistake("shard_key can hash one field only", where)
    for position, index in enumerate(collection.indexes):
        fields = list(index.document["key"])
        if index.document.get("unique") and fields[: len(key)] != list(key):
            message = f"a unique index on a sharded collection must start with the shard key: {', '.join(fields)}"
            yield Mistake(message, ("indexes", position))


def _validator_mistakes(validator: Mapping[str, Any], where: Where) -> Iterator[Mistake]:
    for operator, value in validator.items():
        if operator == "$jsonSchema":
            yield from schema_mistakes(value, (*where, operator))
        elif operator in ("$and", "$or", "$nor") and isinstance(value, (list, tuple)):
            for position, part in enumerate(value):
                if isinstance(part, Mapping):
                    yield from _validator_mistakes(part, (*where, operator, position))
    schema = validator.get("$jsonSchema")
    if isinstance(schema, Mapping) and is_closed(schema) and where == ("validator",):
        properties = schema.get("properties")
        if isinstance(properties, Mapping) and "_id" not in properties and not schema.get("patternProperties"):
            hint = 'Add "_id": {"bsonType": "objectId"} to its properties.'
            message = "this closed schema does not name _id, so every document would be refused"
            yield Mistake(message, (*where, "$jsonSchema", "additionalProperties"), hint=hint)


def _sensitive_mistakes(collection: Collection) -> Iterator[Mistake]:
    schema = (collection.validator or {}).get("$jsonSchema")
    masks_by_path: Mapping[Any, Any] = collection.sensitive
    for path, mask in masks_by_path.items():
        if not isinstance(path, str) or "" in path.split("."):
            hint = 'Write {"profile.firstName": Mask.REMOVE}.'
            yield Mistake(f"a sensitive field is named by its dotted path, found {path!r}", ("sensitive",), hint=hint)
            continue
        where: Where = ("sensitive", path)
        if not isinstance(mask, Mask):
            hint = f"One of {', '.join(str(known) for known in Mask)}."
            yield Mistake(f"sensitive field {path!r} needs a Mask, found {mask!r}", where, path, hint)
            continue
        covering = next((other for other in collection.sensitive if path.startswith(f"{other}.")), None)
        if covering is not None:
            yield Mistake(f"sensitive field {path!r} lies inside {covering!r}, which is masked already", where, path)
        if isinstance(schema, Mapping):
            yield from _masked_field_mistakes(schema, path, mask, where)
    for position, index in enumerate(collection.indexes):
        masks = [collection.sensitive.get(name) for name in index.document["key"]]
        if index.document.get("unique") and all(mask and not mask.keeps_values_apart for mask in masks):
            fields = ", ".join(index.document["key"])
            hint = f"Use {Mask.TOKEN} or {Mask.EMAIL}."
            message = f"{fields}: masked to one value, a redacted backup could not be restored under this unique index"
            yield Mistake(message, ("indexes", position), hint=hint)


def _masked_field_mistakes(schema: Mapping[str, Any], path: str, mask: Mask, where: Where) -> Iterator[Mistake]:
    parent, step, is_last = parent_of(schema, path)
    properties = parent.get("properties", {})
    if names_fields(parent) and step not in properties:
        yield Mistake(f"sensitive field {path!r} is not in the schema", where, path, did_you_mean(step, properties))
    elif mask is Mask.REMOVE and is_last and step in parent.get("required", ()):
        message = f"sensitive field {path!r} is required, so a redacted backup without it could not be restored"
        yield Mistake(message, where, path, f"Use {Mask.TEXT}, {Mask.TOKEN} or {Mask.EMAIL}.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
