"""From a plan to what it changes, and from what was changed back: records of runs as data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wayra_db.indexes.history import Change, Record
from wayra_db.indexes.plan import ACTING, Collations, IndexPlan, PlannedIndex, Step, plan_indexes
from wayra_db.indexes.spec import Context, IndexDocument, definition, differences, is_building

Live = Mapping[str, Sequence[IndexDocument]]


def change_of(one: PlannedIndex) -> Change:
    """The index before and after its step."""
    before = definition(one.live) if one.live is not None and one.step is not Step.WAIT else None
    after: IndexDocument | None = one.document
    if one.step in (Step.CHANGE, Step.CONVERT, Step.HIDE) and before is not None:
        unique = {"unique": True, "prepareUnique": False} if one.step is Step.CONVERT else {}
        hidden = {"hidden": True} if one.step is Step.HIDE else {}
        after = _without_defaults({**before, **unique, **hidden, **one.changes})
    elif one.step is Step.DROP:
        after = None
    return Change(one.collection, one.step.value, before, after)


def planned_changes(plan: IndexPlan) -> list[Change]:
    """What a plan will have changed when it is done."""
    return [change_of(one) for one in plan.of(*ACTING)]


def came_to_pass(record: Record, live: Live) -> tuple[list[Change], list[str]]:
    """What a run that was cut off had done, judged by what is live now; and a sentence for each of its indexes."""
    done: list[Change] = []
    said: list[str] = []
    for change in record.changes:
        found = {one["name"]: one for one in live.get(change.collection, ())}
        now = found.get(change.name)
        if now is not None and is_building(now):
            said.append(f"{change.namespace} is still being built by the server")
            continue
        reached = now is None if change.after is None else now is not None and _is(now, change.after)
        if reached and change.before is not None and change.after is not None:
            old = change.before["name"]
            if old != change.name and old in found:
                said.append(f"{change.namespace} is built, and {old} in its place not dropped yet")
                done.append(Change(change.collection, "create", None, change.after))
                continue
        if reached:
            done.append(change)
            said.append(f"{change.namespace}: {change.step} was finished")
        elif change.step == Step.CONVERT and now is not None and now.get("prepareUnique"):
            said.append(f"{change.namespace} refuses new duplicates and is not unique yet")
        elif change.step == Step.REBUILD and now is None:
            said.append(f"{change.namespace} was dropped and is not built again yet")
            done.append(Change(change.collection, Step.DROP, change.before, None))
        else:
            said.append(f"{change.namespace}: {change.step} was not done")
    return done, said


def undo_plan(record: Record, live: Live, collations: Collations) -> IndexPlan:
    """What brings the indexes back that a run has changed. Others are left alone."""
    former: dict[str, list[IndexDocument]] = {}
    steps: list[PlannedIndex] = []
    for change in reversed(record.changes):
        if change.before is not None:
            former.setdefault(change.collection, []).append(change.before)
        elif change.after is not None:
            found = _now(change, live.get(change.collection, ()))
            if found is not None:
                detail = "was made by the run that is undone"
                steps.append(PlannedIndex(Step.DROP, change.collection, found["name"], detail=detail, live=found))
    gone = {(one.collection, one.name) for one in steps}
    there = {
        collection: [one for one in live.get(collection, ()) if (collection, one["name"]) not in gone]
        for collection in former
    }
    back = plan_indexes(former, there, collations)
    return IndexPlan((*back.of(*ACTING), *steps))


def _now(change: Change, live: Sequence[IndexDocument]) -> IndexDocument | None:
    """The live index that a run has made; undoing a later run may have put it under another name."""
    after = change.after or {}
    context = Context(change.collection)
    by_name = next((one for one in live if one["name"] == change.name), None)
    return by_name or next((one for one in live if not differences(after, one, context)), None)


def _is(live: IndexDocument, wanted: IndexDocument) -> bool:
    """Whether a live index is the wanted one, as far as it can be changed without changing its name."""
    flags = ["unique", "hidden", "sparse"]
    if not wanted.get("unique"):
        flags.append("prepareUnique")
    return all(bool(live.get(flag)) == bool(wanted.get(flag)) for flag in flags) and (
        "expireAfterSeconds" not in wanted or live.get("expireAfterSeconds") == int(wanted["expireAfterSeconds"])
    )


def _without_defaults(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not False}
