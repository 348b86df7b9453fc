"""Two index definitions side by side: in what do they differ, and is the server to be asked? Pure.

For the server two indexes are different ones when their key, unique, sparse, partial filter, collation or wildcard
projection differ: they may stand side by side under two names. Everything else is a property of one index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from wayra_db.schema.diff import same, same_collation

IndexDocument = Mapping[str, Any]
Answer = Mapping[str, Any]

# Fixed when an index is built, and what the server takes where they are not declared; None: its newest version.
FIXED: Mapping[str, Any] = {
    "default_language": "english",
    "language_override": "language",
    "textIndexVersion": None,
    "2dsphereIndexVersion": None,
    "bits": 26,
    "min": -180,
    "max": 180,
}


# The server does not look at these when it is asked for an index that is there.
VERSIONS = ("textIndexVersion", "2dsphereIndexVersion")


@dataclass(frozen=True, slots=True)
class Question:
    """A collation or a partial filter of a collection whose full form only the server knows."""

    kind: Literal["collation", "filter"]
    collection: str
    value: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it apart; the order of its parts counts."""
        return self.kind, self.collection, repr(self.value)


@dataclass(frozen=True, slots=True)
class Context:
    """What a comparison needs to know of the collection: its default collation, and what the server has answered."""

    collection: str
    collation: Mapping[str, Any] | None = None
    answers: Mapping[tuple[str, str, str], Answer] = field(default_factory=dict)

    def answer(self, kind: Literal["collation", "filter"], value: Mapping[str, Any]) -> Answer | None:
        """The full form of `value`, None when the server was not asked or did not know."""
        return self.answers.get(Question(kind, self.collection, value).key)


def is_on_id(document: IndexDocument) -> bool:
    """Whether it is the index that the server itself makes."""
    return list(document["key"].items()) == [("_id", 1)]


def is_text(document: IndexDocument) -> bool:
    """Whether it is a text index, of which a collection can have one."""
    return "text" in document["key"].values()


def is_plain(document: IndexDocument) -> bool:
    """Whether its key has only ascending and descending fields."""
    return "$**" not in document["key"] and not any(
        isinstance(kind, str) or field.endswith(".$**") for field, kind in document["key"].items()
    )


def is_building(document: IndexDocument) -> bool:
    """Whether a live index is still being built."""
    return "buildUUID" in document


def definition(live: IndexDocument) -> dict[str, Any]:
    """A live index as `createIndexes` takes it; what the server shows beside its definition is left out.

    A listing shows no collation for a simple one, which is then named: the collection's own would be taken else.
    """
    document = {key: value for key, value in live.items() if key not in ("buildUUID", "ns", "clustered")}
    return document if "collation" in document else {**document, "collation": {"locale": "simple"}}


def shown(document: IndexDocument) -> dict[str, Any]:
    """An index as plain JSON values: its key as pairs in order, and its options. A partial filter may hold values, and
    is only said to be there.
    """
    left_out = ("key", "name", "v", "ns", "buildUUID", "partialFilterExpression")
    options = {name: value for name, value in document.items() if name not in left_out}
    partial = {"partial": True} if "partialFilterExpression" in document else {}
    return {"key": [list(part) for part in document["key"].items()], **options, **partial}


def in_words(document: IndexDocument) -> str:
    """An index for people: its key, and what is special about it."""
    said = ["{" + ", ".join(f"{field}: {kind}" for field, kind in document["key"].items()) + "}"]
    for name, value in shown(document).items():
        if name == "expireAfterSeconds":
            said.append(f"expires after {lifetime(value)}")
        elif name == "collation":
            said.append(f"collation {value.get('locale')}")
        elif name != "key" and value not in (False, None):
            said.append(name)
    return ", ".join(said)


def lifetime(seconds: float) -> str:
    """A time after which documents expire: 90 s, 36 h, 30 days. Exact, or in seconds."""
    whole = int(seconds)
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if whole >= 2 * size and whole % size == 0:
            return f"{whole // size:,} {unit}"
    return f"{whole:,} s"


def differences(declared: IndexDocument, live: IndexDocument, context: Context) -> list[str]:
    """The parts of the identity in which two indexes differ."""
    found = [] if same_key(declared, live) else ["key"]
    found += [option for option in ("unique", "sparse") if bool(declared.get(option)) != bool(live.get(option))]
    if not _same_filter(declared.get("partialFilterExpression"), live.get("partialFilterExpression"), context):
        found.append("partialFilterExpression")
    if _projection(declared.get("wildcardProjection", {})) != _projection(live.get("wildcardProjection", {})):
        found.append("wildcardProjection")
    if not same(_weights(declared), _weights(live)):
        found.append("weights")
    # An index without a collation of its own takes its collection's; the server fills in what is not declared.
    if not _same_collation(declared.get("collation", context.collation), live.get("collation"), context):
        found.append("collation")
    return found


def fixed_differences(declared: IndexDocument, live: IndexDocument) -> list[str]:
    """The options outside the identity that cannot be changed on a live index."""
    found = []
    for option, default in FIXED.items():
        if default is None:
            equal = option not in declared or same(declared[option], live.get(option))
        else:
            equal = same(declared.get(option, default), live.get(option, default))
        if not equal:
            found.append(option)
    return found


def questions(declared: Sequence[IndexDocument], live: Sequence[IndexDocument], context: Context) -> Iterable[Question]:
    """What the server has to say before the two sides can be compared: differently written filters and collations."""
    for one in declared:
        for other in live:
            if not same_key(one, other):
                continue
            filters = [document.get("partialFilterExpression") for document in (one, other)]
            if all(filters) and not same(*filters):
                yield from (Question("filter", context.collection, written) for written in filters if written)
            collation, found = one.get("collation", context.collation), other.get("collation")
            if (
                collation
                and found
                and collation.get("locale") == found.get("locale")
                and not same_collation(collation, found)
            ):
                yield Question("collation", context.collection, collation)


def same_key(declared: IndexDocument, live: IndexDocument) -> bool:
    """Whether both have the same fields in the same order and directions."""
    wanted, found = _key(declared), _key(live)
    return len(wanted) == len(found) and all(
        one[0] == other[0] and same(one[1], other[1]) for one, other in zip(wanted, found, strict=True)
    )


def seconds(document: IndexDocument) -> int | None:
    """The life of documents as the server keeps it, in whole seconds; None for one that deletes none."""
    return None if "expireAfterSeconds" not in document else int(document["expireAfterSeconds"])


def text_fields(document: IndexDocument) -> list[str]:
    """The fields of a text index; `$**` for all."""
    return list(_weights(document))


def _key(document: IndexDocument) -> list[tuple[str, Any]]:
    """The key pattern in order. The server stores text fields as `_fts`; their names stand in the weights."""
    pairs: list[tuple[str, Any]] = []
    for name, kind in document["key"].items():
        if kind == "text" and name != "_fts":
            if ("_fts", "text") not in pairs:
                pairs += [("_fts", "text"), ("_ftsx", 1)]
        else:
            pairs.append((name, kind))
    return pairs


def _weights(document: IndexDocument) -> dict[str, Any]:
    fields = {name: 1 for name, kind in document["key"].items() if kind == "text" and name != "_fts"}
    return {**fields, **document.get("weights", {})}


def _same_filter(declared: Answer | None, live: Answer | None, context: Context) -> bool:
    if same(declared, live):
        return True
    if not declared or not live:
        return False
    forms = [context.answer("filter", written) for written in (declared, live)]
    return None not in forms and same(*forms)


def _same_collation(declared: Answer | None, live: Answer | None, context: Context) -> bool:
    if same_collation(declared, live):
        return True
    full = context.answer("collation", declared) if declared else None
    if full is None or live is None:
        return False
    # The version is that of the server's collation library, which an upgrade changes and no declaration can.
    return same(*({key: value for key, value in one.items() if key != "version"} for one in (full, live)))


def _projection(document: Mapping[str, Any], prefix: str = "") -> dict[str, bool]:
    """A wildcard projection with dotted paths: `{"a": {"b": 1}}` is `{"a.b": True}`, and `_id` is out by itself."""
    paths: dict[str, bool] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            paths |= _projection(value, f"{prefix}{name}.")
        else:
            paths[f"{prefix}{name}"] = bool(value)
    if paths.get("_id") is False:
        del paths["_id"]
    return paths
