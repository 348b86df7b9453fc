"""What makes live indexes equal the declared ones. Pure: index documents in, a plan out.

Indexes are matched by what they are, not by name: key, unique, sparse, partial filter, collation and wildcard
projection tell two indexes apart for the server (measured on 6.0), and there is no rename.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from wayra_db.schema.diff import same, same_collation

IndexDocument = Mapping[str, Any]

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


class Step(StrEnum):
    """What happens to an index."""

    CREATE = "create"
    MODIFY = "modify"
    KEEP = "keep"
    WAIT = "wait"
    CONFLICT = "conflict"
    UNDECLARED = "undeclared"


@dataclass(frozen=True, slots=True)
class PlannedIndex:
    """One index. `document` holds its specification for CREATE, WAIT and CONFLICT, `collMod`'s arguments for MODIFY.

    `live` is the index as it is in the database, where there is one.
    """

    step: Step
    collection: str
    name: str
    document: IndexDocument = field(default_factory=dict)
    detail: str = ""
    live: IndexDocument | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"step": self.step.value, "collection": self.collection, "name": self.name, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """All indexes of the declared collections, each with what is to be done."""

    indexes: tuple[PlannedIndex, ...]

    def of(self, *steps: Step) -> tuple[PlannedIndex, ...]:
        """The indexes with one of these steps."""
        return tuple(index for index in self.indexes if index.step in steps)

    @property
    def empty(self) -> bool:
        """Whether every declared index is live as declared."""
        return not self.of(Step.CREATE, Step.MODIFY, Step.WAIT, Step.CONFLICT)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"inSync": self.empty, "indexes": [index.to_dict() for index in self.indexes]}


def plan_indexes(
    declared: Mapping[str, Sequence[IndexDocument]],
    live: Mapping[str, Sequence[IndexDocument]],
    collations: Mapping[str, Mapping[str, Any] | None] | None = None,
) -> IndexPlan:
    """The plan for each declared collection; `collations` holds the collections' default collations."""
    planned: list[PlannedIndex] = []
    for collection, documents in declared.items():
        planned += _plan_collection(collection, documents, live.get(collection, ()), (collations or {}).get(collection))
    return IndexPlan(tuple(planned))


def _plan_collection(
    collection: str, declared: Sequence[IndexDocument], live: Sequence[IndexDocument], collation: Any
) -> Iterable[PlannedIndex]:
    unmatched = [document for document in live if list(document["key"].items()) != [("_id", 1)]]
    # All twins first, so that none is taken for the rival of another index over the same key.
    twins: list[IndexDocument | None] = []
    for document in declared:
        twin = next((one for one in unmatched if _same_index(document, one, collation)), None)
        if twin is not None:
            unmatched.remove(twin)
        twins.append(twin)
    for document, twin in zip(declared, twins, strict=True):
        if twin is not None:
            yield _compare(collection, document, twin)
            continue
        rival = next((one for one in unmatched if one["name"] == document["name"] or _same_key(document, one)), None)
        if rival is not None:
            unmatched.remove(rival)
            yield PlannedIndex(
                Step.CONFLICT,
                collection,
                document["name"],
                document,
                f"live as {rival['name']} with another {', '.join(_differences(document, rival, collation))}",
                rival,
            )
            continue
        yield PlannedIndex(Step.CREATE, collection, document["name"], document)
    for document in unmatched:
        yield PlannedIndex(Step.UNDECLARED, collection, document["name"], document, "left alone", document)


def _compare(collection: str, declared: IndexDocument, live: IndexDocument) -> PlannedIndex:
    """Two indexes that are the same to the server: only what `collMod` can set may still differ."""
    name = live["name"]
    if "buildUUID" in live:
        return PlannedIndex(Step.WAIT, collection, name, {**declared, "name": name}, "still being built", live)
    fixed = [option for option, default in FIXED.items() if not _same_fixed(option, default, declared, live)]
    if fixed:
        return PlannedIndex(
            Step.CONFLICT, collection, name, declared, f"live as {name} with another {', '.join(fixed)}", live
        )
    changes: dict[str, Any] = {}
    if bool(declared.get("hidden")) != bool(live.get("hidden")):
        changes["hidden"] = bool(declared.get("hidden"))
    if _seconds(declared) != _seconds(live):
        if "expireAfterSeconds" not in declared:
            detail = "live with expireAfterSeconds, which stays"
            return PlannedIndex(Step.CONFLICT, collection, name, declared, detail, live)
        changes["expireAfterSeconds"] = declared["expireAfterSeconds"]
    if changes:
        said = ", ".join(f"{option} to {value}" for option, value in changes.items())
        return PlannedIndex(Step.MODIFY, collection, name, changes, f"set {said}", live)
    return PlannedIndex(Step.KEEP, collection, name, live, live=live)


def _same_fixed(option: str, default: Any, declared: IndexDocument, live: IndexDocument) -> bool:
    if default is None:
        return option not in declared or same(declared[option], live.get(option))
    return same(declared.get(option, default), live.get(option, default))


def _seconds(document: IndexDocument) -> int | None:
    """The life of documents as the server keeps it: in whole seconds."""
    return None if "expireAfterSeconds" not in document else int(document["expireAfterSeconds"])


def _same_index(declared: IndexDocument, live: IndexDocument, collation: Any) -> bool:
    return not _differences(declared, live, collation)


def _same_key(declared: IndexDocument, live: IndexDocument) -> bool:
    wanted, found = _key(declared), _key(live)
    return len(wanted) == len(found) and all(
        one[0] == other[0] and same(one[1], other[1]) for one, other in zip(wanted, found, strict=True)
    )


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


def _differences(declared: IndexDocument, live: IndexDocument, collation: Any) -> list[str]:
    """The parts of the identity in which two indexes differ."""
    found = [] if _same_key(declared, live) else ["key"]
    found += [option for option in ("unique", "sparse") if bool(declared.get(option)) != bool(live.get(option))]
    if not same(declared.get("partialFilterExpression"), live.get("partialFilterExpression")):
        found.append("partialFilterExpression")
    if _projection(declared.get("wildcardProjection", {})) != _projection(live.get("wildcardProjection", {})):
        found.append("wildcardProjection")
    if not same(_weights(declared), _weights(live)):
        found.append("weights")
    # An index without a collation of its own takes its collection's; the server fills in what is not declared.
    if not same_collation(declared.get("collation", collation), live.get("collation")):
        found.append("collation")
    return found


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
