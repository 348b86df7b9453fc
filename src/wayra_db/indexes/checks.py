"""What speaks against a plan before any of it is done. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wayra_db.environment import Action
from wayra_db.indexes.plan import BUILDING, IndexPlan, PlannedIndex, Step
from wayra_db.indexes.spec import IndexDocument, is_text, seconds, text_fields
from wayra_db.meta import is_user_collection
from wayra_db.schema.collection import Collection
from wayra_db.schema.index_rules import MOST_INDEXES


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason not to apply a plan. One that has an `action` stands only where that action is not permitted.

    `samples` are for duplicates: each with the key's `values`, the number of `documents` and some `ids`.
    """

    rule: str
    collection: str
    index: str
    message: str
    hint: str = ""
    action: Action | None = None
    samples: tuple[Mapping[str, Any], ...] = ()

    @property
    def namespace(self) -> str:
        """`collection.index`."""
        return f"{self.collection}.{self.index}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "rule": self.rule,
            "collection": self.collection,
            "index": self.index,
            "message": self.message,
            "hint": self.hint,
            "allowedBy": self.action.value if self.action else None,
            "samples": [dict(one) for one in self.samples],
        }


def static_problems(
    plan: IndexPlan,
    collections: Mapping[str, Collection],
    shard_keys: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    declared_only: bool = True,
) -> list[Problem]:
    """What can be said without looking at data; `shard_keys` are those of the live sharded collections.

    Without `declared_only` a collection that nobody declares is no problem: what was dropped there may come back.
    """
    acting = [one for one in plan.indexes if one.step in (*BUILDING, Step.CONVERT, Step.CHANGE)]
    found: list[Problem] = []
    for one in plan.indexes:
        is_users = is_user_collection(one.collection)
        if not is_users or (declared_only and one.collection not in collections):
            whose = "not declared" if is_users else "the tool's or the server's own"
            message = f"the collection is {whose}"
            found.append(Problem("collection", one.collection, one.name, message, "Declare it in collections/."))
    found += _limit(plan)
    for one in acting:
        if one.collection in collections:
            found += _sensitive(one, collections[one.collection])
        if key := (shard_keys or {}).get(one.collection):
            found += _shard_key(one, key)
    return found


def needs_drop(plan: IndexPlan) -> tuple[PlannedIndex, ...]:
    """The planned indexes whose live one goes away."""
    return plan.of(Step.SWAP, Step.REBUILD, Step.DROP)


def starts_to_expire(one: PlannedIndex) -> bool:
    """Whether documents will be deleted by this step that were not before: a new lifetime, or a shorter one."""
    wanted = {**one.declared, **one.changes} if one.step is Step.CHANGE else one.declared
    if one.step not in (*BUILDING, Step.CHANGE, Step.CONVERT) or "expireAfterSeconds" not in wanted:
        return False
    if one.step is Step.CHANGE and "expireAfterSeconds" not in one.changes:
        return False
    before = seconds(one.live) if one.live else None
    after = seconds(wanted)
    same_field = one.live is not None and list(one.live["key"]) == list(one.declared["key"])
    return before is None or after is None or not same_field or after < before


def _limit(plan: IndexPlan) -> Iterator[Problem]:
    steps: dict[str, Counter[Step]] = {}
    live: Counter[str] = Counter()
    for one in plan.indexes:
        steps.setdefault(one.collection, Counter())[one.step] += 1
        live[one.collection] += one.live is not None
    for collection, counted in steps.items():
        most = 1 + live[collection] + counted[Step.CREATE] + counted[Step.SWAP]  # 1: the one on _id
        if most > MOST_INDEXES and counted[Step.CREATE]:
            yield Problem(
                "limit",
                collection,
                next(one.name for one in plan.of(Step.CREATE) if one.collection == collection),
                f"{collection} would have {most} indexes, and {MOST_INDEXES} are the most",
                "Retire one first: wayra-db indexes usage, then wayra-db indexes retire COLLECTION.NAME.",
            )


def _sensitive(one: PlannedIndex, collection: Collection) -> Iterator[Problem]:
    """A text or wildcard index holds words and values of fields that nobody has named."""
    if one.step not in BUILDING:
        return
    covered = sorted(path for path in collection.sensitive if _covers(one.declared, path))
    if covered:
        kind = "text" if is_text(one.declared) else "wildcard"
        yield Problem(
            "sensitive",
            one.collection,
            one.name,
            f"this {kind} index holds what is sensitive: {', '.join(covered)}",
            "Leave these fields out, by name or by wildcardProjection.",
            Action.INDEX_SENSITIVE_FIELDS,
        )


def _covers(document: IndexDocument, path: str) -> bool:
    if is_text(document):
        return any(field == "$**" or _within(path, field) for field in text_fields(document))
    for field in document["key"]:
        if field == "$**":
            return _projected(document.get("wildcardProjection", {}), path)
        if field.endswith(".$**") and _within(path, field.removesuffix(".$**")):
            return True
    return False


def _projected(projection: Mapping[str, Any], path: str) -> bool:
    flat = dict(_flat(projection))
    flat.pop("_id", None)
    if not flat:
        return True
    inclusive = any(flat.values())
    if inclusive:
        return any(_within(path, field) or _within(field, path) for field in flat)
    return not any(_within(path, field) for field in flat)


def _flat(projection: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, bool]]:
    for name, value in projection.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", bool(value)


def _within(path: str, field: str) -> bool:
    """Whether `path` is `field` or inside it."""
    return path == field or path.startswith(f"{field}.")


def _shard_key(one: PlannedIndex, key: Mapping[str, Any]) -> Iterator[Problem]:
    fields = list(one.declared.get("key", {}))
    if one.declared.get("unique") and fields[: len(key)] != list(key):
        yield Problem(
            "shard_key",
            one.collection,
            one.name,
            f"a unique index on a sharded collection must start with the shard key, which is {', '.join(key)}",
            "Put the shard key's fields in front, or check uniqueness elsewhere.",
        )


def is_plainly_buildable(document: IndexDocument) -> bool:
    """Whether the rules for declarations know all that the server could refuse in it."""
    plain = {"key", "name", "unique", "sparse", "hidden", "expireAfterSeconds", "background", "v"}
    return set(document) <= plain and all(not isinstance(kind, str) for kind in document["key"].values())


def first_words(problems: Sequence[Problem]) -> str:
    """The problems in one sentence each; one of a whole declaration names its file instead of an index."""
    return "; ".join(one.message if one.rule == "definition" else f"{one.namespace}: {one.message}" for one in problems)
