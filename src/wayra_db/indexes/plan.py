"""What makes live indexes equal the declared ones. Pure: index documents in, a plan out.

Indexes are matched by what they are, not by name, for there is no rename: an index that is live under another name is
kept. Of what is left, a live index that is not unique and otherwise the same is made unique, and one that has the name
of a declared one is taken for its former definition and replaced.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from wayra_db.indexes.spec import (
    Answer,
    Context,
    IndexDocument,
    Question,
    differences,
    fixed_differences,
    is_building,
    is_on_id,
    is_plain,
    is_text,
    lifetime,
    questions,
    seconds,
    shown,
)
from wayra_db.schema.index_rules import MOST_INDEXES


class Step(StrEnum):
    """What happens to an index, in the order of work."""

    WAIT = "wait"
    CHANGE = "change"
    CREATE = "create"
    CONVERT = "convert"
    SWAP = "swap"
    REBUILD = "rebuild"
    HIDE = "hide"
    DROP = "drop"
    KEEP = "keep"
    UNDECLARED = "undeclared"


class Undeclared(StrEnum):
    """What becomes of live indexes that nobody declares."""

    REPORT = "report"
    HIDE = "hide"
    DROP = "drop"


ACTING = tuple(step for step in Step if step not in (Step.KEEP, Step.UNDECLARED))
BUILDING = (Step.CREATE, Step.SWAP, Step.REBUILD)
DROPPING = (Step.SWAP, Step.REBUILD, Step.DROP)


@dataclass(frozen=True, slots=True)
class PlannedIndex:
    """One index. `name` is the one that it has or will have, `live` the index as it is, where there is one.

    `declared` is its declaration. `changes` holds `collMod`'s arguments for CHANGE and CONVERT.
    """

    step: Step
    collection: str
    name: str
    declared: IndexDocument = field(default_factory=dict)
    detail: str = ""
    live: IndexDocument | None = None
    changes: IndexDocument = field(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """What `createIndexes` takes to build it, under the name that it will have."""
        return {**self.declared, "name": self.name}

    @property
    def old_name(self) -> str:
        """The name of the live index that goes away or changes."""
        return self.name if self.live is None else str(self.live["name"])

    @property
    def namespace(self) -> str:
        """`collection.index`."""
        return f"{self.collection}.{self.name}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values. `declared` and `live` are absent where there is no such index."""
        return {
            "step": self.step.value,
            "collection": self.collection,
            "name": self.name,
            "detail": self.detail,
            **({"declared": shown(self.declared)} if self.declared else {}),
            **({"live": {"name": self.live["name"], **shown(self.live)}} if self.live else {}),
        }


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """All indexes of the declared collections, each with what is to be done.

    `interrupted` tells of an earlier run that was cut off.
    """

    indexes: tuple[PlannedIndex, ...]
    interrupted: tuple[str, ...] = field(default=(), compare=False)

    def of(self, *steps: Step) -> tuple[PlannedIndex, ...]:
        """The indexes with one of these steps."""
        return tuple(index for index in self.indexes if index.step in steps)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.of(*ACTING)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "inSync": self.empty,
            "indexes": [index.to_dict() for index in self.indexes],
            "interrupted": list(self.interrupted),
        }


@dataclass(frozen=True, slots=True)
class Rules:
    """What the plan may use and what it does with the undeclared.

    `converts` says whether the server can make a live index unique. `answers` are those to `open_questions`.
    """

    converts: bool = True
    undeclared: Undeclared = Undeclared.REPORT
    answers: Mapping[tuple[str, str, str], Answer] = field(default_factory=dict)


DEFAULT = Rules()
Declared = Mapping[str, Sequence[IndexDocument]]
Collations = Mapping[str, Mapping[str, Any] | None]


def open_questions(declared: Declared, live: Declared, collations: Collations | None = None) -> list[Question]:
    """What only the server can say before a plan is made; usually nothing."""
    found: dict[tuple[str, str, str], Question] = {}
    for collection, documents in declared.items():
        context = Context(collection, (collations or {}).get(collection))
        for question in questions(documents, live.get(collection, ()), context):
            found[question.key] = question
    return list(found.values())


def plan_indexes(
    declared: Declared, live: Declared, collations: Collations | None = None, rules: Rules = DEFAULT
) -> IndexPlan:
    """The plan for each declared collection; `collations` holds the collections' default collations."""
    planned: list[PlannedIndex] = []
    for collection, documents in declared.items():
        context = Context(collection, (collations or {}).get(collection), rules.answers)
        planned += _plan_collection(documents, live.get(collection, ()), context, rules)
    return IndexPlan(tuple(planned))


def _plan_collection(
    declared: Sequence[IndexDocument], live: Sequence[IndexDocument], context: Context, rules: Rules
) -> Iterable[PlannedIndex]:
    left = [document for document in live if not is_on_id(document)]
    # Each pass over all declared ones, so that none is taken for the rival of another that is live as it is.
    partners: list[IndexDocument | None] = [None] * len(declared)
    for is_partner in (_is_twin_of_that_name, _is_twin, _is_convertible, _is_predecessor):
        if is_partner is _is_convertible and not rules.converts:
            continue
        for number, document in enumerate(declared):
            if partners[number] is None:
                partner = next((one for one in left if is_partner(document, one, context)), None)
                if partner is not None:
                    left.remove(partner)
                    partners[number] = partner
    names = {str(document["name"]) for document in live}
    planned = []
    for document, partner in zip(declared, partners, strict=True):
        one = _step(document, partner, names, context, rules)
        names.add(one.name)
        planned.append(one)
    planned += [_undeclared(context.collection, document, rules.undeclared) for document in left]
    return _within_the_limit(planned, len(live))


def _is_twin_of_that_name(declared: IndexDocument, live: IndexDocument, context: Context) -> bool:
    return bool(declared["name"] == live["name"]) and _is_twin(declared, live, context)


def _is_twin(declared: IndexDocument, live: IndexDocument, context: Context) -> bool:
    return not differences(declared, live, context)


def _is_convertible(declared: IndexDocument, live: IndexDocument, context: Context) -> bool:
    # Only plain keys: mongod 6.0.5 ends with a crash when a wildcard index is made unique.
    return (
        bool(declared.get("unique"))
        and is_plain(declared)
        and not is_building(live)
        and differences(declared, live, context) == ["unique"]
    )


def _is_predecessor(declared: IndexDocument, live: IndexDocument, context: Context) -> bool:
    return _base(live["name"]) == declared["name"] or (is_text(declared) and is_text(live))


def _base(name: str) -> str:
    """The name without what a swap has put behind it."""
    return re.sub(r"__v\d+$", "", name)


def _step(
    declared: IndexDocument, live: IndexDocument | None, names: set[str], context: Context, rules: Rules
) -> PlannedIndex:
    collection = context.collection
    if live is None:
        name = _free(declared["name"], names)
        detail = "" if name == declared["name"] else f"under another name, since {declared['name']} is taken"
        return PlannedIndex(Step.CREATE, collection, name, declared, detail)
    found = differences(declared, live, context)
    if found == ["unique"] and rules.converts and _is_convertible(declared, live, context):
        return _convert(declared, live, collection)
    if found and not (is_text(declared) and is_text(live)):
        name = _free(declared["name"], names)
        detail = f"live with another {', '.join(found)}: {_built(name, declared)}, then {live['name']} is dropped"
        return PlannedIndex(Step.SWAP, collection, name, declared, detail, live)
    if is_building(live):
        return PlannedIndex(Step.WAIT, collection, live["name"], declared, "still being built", live)
    found += [option for option in fixed_differences(declared, live) if option not in found]
    if seconds(live) is not None and seconds(declared) is None:
        found.append("expireAfterSeconds")
    if found:
        why = f"live with another {', '.join(found)}, which stays for the life of an index"
        return PlannedIndex(Step.REBUILD, collection, declared["name"], declared, _gap(why, live), live)
    changes = _changes(declared, live)
    if changes:
        said = ", ".join(f"{option} to {_setting(option, value)}" for option, value in changes.items())
        return PlannedIndex(Step.CHANGE, collection, live["name"], declared, f"set {said}", live, changes)
    return PlannedIndex(Step.KEEP, collection, live["name"], declared, live=live)


def _convert(declared: IndexDocument, live: IndexDocument, collection: str) -> PlannedIndex:
    """Options that need a build of their own make it a swap of old and new after all."""
    if seconds(live) is not None and seconds(declared) is None:
        why = "live with another unique, expireAfterSeconds, of which the latter stays for the life of an index"
        return PlannedIndex(Step.REBUILD, collection, declared["name"], declared, _gap(why, live), live)
    changes = {option: value for option, value in _changes(declared, live).items() if option != "prepareUnique"}
    resumed = ", which an earlier run has begun" if live.get("prepareUnique") else ""
    detail = f"made unique where it stands, without a rebuild{resumed}"
    return PlannedIndex(Step.CONVERT, collection, live["name"], declared, detail, live, changes)


def _changes(declared: IndexDocument, live: IndexDocument) -> dict[str, Any]:
    """What `collMod` can set."""
    changes: dict[str, Any] = {}
    for option in ("hidden", "prepareUnique"):
        if bool(declared.get(option)) != bool(live.get(option)):
            changes[option] = bool(declared.get(option))
    if declared.get("unique") and live.get("unique"):
        changes.pop("prepareUnique", None)  # it says nothing on an index that is unique
    if seconds(declared) != seconds(live):
        changes["expireAfterSeconds"] = declared["expireAfterSeconds"]
    return changes


def _setting(option: str, value: Any) -> str:
    return lifetime(value) if option == "expireAfterSeconds" else str(value).lower()


def _undeclared(collection: str, live: IndexDocument, policy: Undeclared) -> PlannedIndex:
    name = live["name"]

    def planned(step: Step, detail: str) -> PlannedIndex:
        return PlannedIndex(step, collection, name, detail=detail, live=live)

    acts = "unique" if live.get("unique") else "expireAfterSeconds" if seconds(live) is not None else ""
    if is_building(live):
        return planned(Step.UNDECLARED, "not declared, and still being built")
    if policy is Undeclared.DROP:
        return planned(Step.DROP, "not declared; its definition is kept")
    if policy is Undeclared.HIDE and not live.get("hidden"):
        if acts:
            return planned(Step.UNDECLARED, f"not declared; left alone, since {acts} would act on when hidden")
        return planned(Step.HIDE, "not declared")
    prepared = "; prepareUnique is on, which refuses duplicates" if live.get("prepareUnique") else ""
    return planned(Step.UNDECLARED, f"not declared{', hidden' if live.get('hidden') else ''}{prepared}")


def _within_the_limit(planned: list[PlannedIndex], live: int) -> list[PlannedIndex]:
    """Where there is no room for old and new side by side, the old one has to go first."""
    steps = Counter(one.step for one in planned)
    over = live + steps[Step.CREATE] + steps[Step.SWAP] - MOST_INDEXES
    for number, one in enumerate(planned):
        if over > 0 and one.step is Step.SWAP and one.live is not None:
            why = f"live otherwise, and there is no room beside it ({MOST_INDEXES} indexes are the most)"
            name = one.declared["name"]
            planned[number] = replace(one, step=Step.REBUILD, name=name, detail=_gap(why, one.live))
            over -= 1
    return planned


def _gap(why: str, live: IndexDocument) -> str:
    return f"{why}: {live['name']} is dropped, then built; queries are without it meanwhile"


def _built(name: str, declared: IndexDocument) -> str:
    return "built beside" if name == declared["name"] else f"built beside as {name}"


def _free(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free = f"{_base(name)}__v{number}"
        number += 1
    return free
