"""The server's account of a query's plan: what it cost, and the plan in words. Pure; no recorded value leaves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Explained = Mapping[str, Any]

# Documents read for each one returned, from which on the words say that an index would help.
MANY_FOR_ONE = 10


@dataclass(frozen=True, slots=True)
class Cost:
    """What a query read, by `explain`.

    `scans` tells whether a whole collection was read, `failed` why the server refused to explain it.
    """

    documents: int = 0
    keys: int = 0
    returned: int = 0
    milliseconds: float = 0.0
    indexes: tuple[str, ...] = ()
    scans: bool = False
    sorts: bool = False
    failed: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "documentsExamined": self.documents,
            "keysExamined": self.keys,
            "returned": self.returned,
            "milliseconds": self.milliseconds,
            "indexes": list(self.indexes),
            "collectionScan": self.scans,
            "sortedInMemory": self.sorts,
            **({"failed": self.failed} if self.failed else {}),
        }


def cost_of(explained: Explained) -> Cost:
    """The cost in a reply of `explain` with `executionStats`, of a replica set or a sharded cluster."""
    stages = list(stages_of(explained))
    totals = list(_executions(explained))
    return Cost(
        sum(int(one.get("totalDocsExamined", 0)) for one in totals),
        sum(int(one.get("totalKeysExamined", 0)) for one in totals),
        sum(int(one.get("nReturned", 0)) for one in totals),
        float(max((one.get("executionTimeMillis", 0) for one in totals), default=0)),
        tuple(dict.fromkeys(name for stage in stages for name in _indexes(stage))),
        any(_is_scan(stage) for stage in stages),
        any(stage.get("stage") == "SORT" for stage in stages),
    )


def _indexes(stage: Mapping[str, Any]) -> Iterator[str]:
    if "indexName" in stage:
        yield str(stage["indexName"])
    yield from map(str, stage.get("indexesUsed", ()))


def _is_scan(stage: Mapping[str, Any]) -> bool:
    if stage.get("stage") == "EQ_LOOKUP":
        return stage.get("strategy") in ("NestedLoopJoin", "HashJoin")
    return stage.get("stage") in ("COLLSCAN", "CLUSTERED_COLLSCAN") or int(stage.get("collectionScans", 0)) > 0


def stages_of(explained: Explained) -> Iterator[Mapping[str, Any]]:
    """The stages of the winning plans, from the top."""
    yield from reversed(list(_joins(explained)))
    for planner in _planners(explained):
        plan = planner.get("winningPlan") or {}
        yield from _walk(plan.get("queryPlan", plan))


def _planners(explained: Explained) -> Iterator[Mapping[str, Any]]:
    if "queryPlanner" in explained:
        yield explained["queryPlanner"]
    for stage in explained.get("stages", ()):
        cursor = stage.get("$cursor")
        if isinstance(cursor, Mapping) and "queryPlanner" in cursor:
            yield cursor["queryPlanner"]
    shards = explained.get("shards")
    for shard in shards.values() if isinstance(shards, Mapping) else ():
        yield from _planners(shard)


def _joins(explained: Explained) -> Iterator[Mapping[str, Any]]:
    """Each `$lookup` that the server carries out as a stage of its own, with what it read in the other collection."""
    for stage in explained.get("stages", ()):
        if isinstance(stage.get("$lookup"), Mapping):
            join = stage["$lookup"]
            yield {**stage, "stage": "LOOKUP", "from": join.get("from"), "foreignField": join.get("foreignField")}
    shards = explained.get("shards")
    for shard in shards.values() if isinstance(shards, Mapping) else ():
        yield from _joins(shard)


def _executions(explained: Explained) -> Iterator[Mapping[str, Any]]:
    if "executionStats" in explained:
        yield explained["executionStats"]
        return
    for join in _joins(explained):
        yield {name: join.get(name, 0) for name in ("totalDocsExamined", "totalKeysExamined")}
    for stage in explained.get("stages", ()):
        cursor = stage.get("$cursor")
        if isinstance(cursor, Mapping) and "executionStats" in cursor:
            yield cursor["executionStats"]
    shards = explained.get("shards")
    for shard in shards.values() if isinstance(shards, Mapping) else ():
        yield from _executions(shard)


def _walk(stage: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(stage, Mapping):
        return
    yield stage
    for key in ("inputStage", "outerStage", "innerStage", "thenStage", "elseStage"):
        if key in stage:
            yield from _walk(stage[key])
    for part in stage.get("inputStages", ()):
        yield from _walk(part)
    for shard in stage.get("shards", ()) if isinstance(stage.get("shards"), Sequence) else ():
        yield from _walk(shard.get("winningPlan", {}))


def in_words(explained: Explained) -> tuple[str, ...]:
    """The plan from the bottom up, one sentence a step, and what to make of it. Names fields, never a value."""
    sentences = [sentence for stage in reversed(list(stages_of(explained))) if (sentence := _sentence(stage))]
    if not sentences:
        sentences = ["The server says nothing of how it would find the documents."]
    if any(True for _ in _executions(explained)):
        sentences.append(_verdict(cost_of(explained)))
    return tuple(sentences)


def _sentence(stage: Mapping[str, Any]) -> str:
    name = stage.get("stage")
    match name:
        case "COLLSCAN":
            return f"Reads the whole collection{_keeping(stage)}."
        case "CLUSTERED_IXSCAN" | "CLUSTERED_COLLSCAN":
            return "Reads a stretch of the collection, which is kept in the order of _id."
        case "IDHACK" | "EXPRESS_IXSCAN" | "EXPRESS_CLUSTERED_IXSCAN":
            return "Finds one document straight by its key."
        case "IXSCAN":
            turned = ", from its end" if stage.get("direction") == "backward" else ""
            return f"Reads the index {stage.get('indexName')}{turned}: {_bounds(stage)}{_keeping(stage)}."
        case "COUNT_SCAN":
            return f"Counts keys of the index {stage.get('indexName')}, without a look at any document."
        case "DISTINCT_SCAN":
            return f"Jumps from value to value in the index {stage.get('indexName')}."
        case "TEXT" | "TEXT_MATCH":
            return f"Searches words in the text index {stage.get('indexName', '')}.".replace(" .", ".")
        case "GEO_NEAR_2DSPHERE" | "GEO_NEAR_2D":
            return f"Looks for what is near in the index {stage.get('indexName')}."
        case "FETCH":
            return f"Fetches the documents{_keeping(stage)}."
        case "SORT":
            order = ", ".join(f"{field} {_down(way)}" for field, way in (stage.get("sortPattern") or {}).items())
            return f"Sorts in memory by {order}, and can return nothing before all is read."
        case "SORT_MERGE":
            return "Merges what comes sorted from several places, without a sort of its own."
        case "OR":
            return "Puts the branches of $or together, each document once."
        case "AND_SORTED" | "AND_HASH":
            return "Keeps what several indexes have found."
        case "LIMIT":
            return f"Stops after {_number(stage.get('limitAmount'))}."
        case "SKIP":
            return f"Passes over the first {_number(stage.get('skipAmount'))}."
        case "PROJECTION_COVERED":
            return "Answers from the index alone: no document is read."
        case "EOF":
            return "Finds nothing without looking: the collection does not exist, or nothing can match."
        case "EQ_LOOKUP" | "LOOKUP":
            return _joining(stage)
        case "SHARD_MERGE":
            return "Asks several shards and merges what they return."
        case "SHARDING_FILTER":
            return "Leaves out documents that another shard owns."
    return ""


def _joining(stage: Mapping[str, Any]) -> str:
    collection = stage.get("from") or str(stage.get("foreignCollection", "")).partition(".")[2]
    what = f"Looks up {stage.get('foreignField') or 'documents'} in {collection}"
    indexes = list(dict.fromkeys(_indexes(stage)))
    if _is_scan(stage):
        return f"{what}, and reads that whole collection for it."
    return f"{what} by its index {' and '.join(indexes)}." if indexes else f"{what}."


def _down(way: Any) -> str:
    return "descending" if isinstance(way, (int, float)) and way < 0 else "ascending"


def _number(value: Any) -> str:
    return _plural(value, "document") if isinstance(value, int) else "some documents"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def _keeping(stage: Mapping[str, Any]) -> str:
    fields = sorted(set(_fields(stage.get("filter"))))
    return f" and keeps those that match by {', '.join(fields)}" if fields else ""


def _fields(query: Any) -> Iterator[str]:
    if not isinstance(query, Mapping):
        return
    for name, value in query.items():
        if name in ("$and", "$or", "$nor") and isinstance(value, Sequence):
            for part in value:
                yield from _fields(part)
        elif not name.startswith("$"):
            yield name
        else:
            yield name


def _bounds(stage: Mapping[str, Any]) -> str:
    """How each field of an index is bounded, without the bounds."""
    bounds: Mapping[str, Sequence[str]] = stage.get("indexBounds") or {}
    return ", ".join(f"{field} {_kind_of_bounds(list(bounds.get(field, ())))}" for field in stage.get("keyPattern", {}))


def _kind_of_bounds(intervals: list[str]) -> str:
    if not intervals or intervals in (["[MinKey, MaxKey]"], ["[MaxKey, MinKey]"]):
        return "all values"
    points = sum(_is_point(interval) for interval in intervals)
    if points == len(intervals):
        return "one value" if points == 1 else f"{points} values"
    return "a range" if len(intervals) == 1 else f"{len(intervals)} ranges"


def _is_point(interval: str) -> bool:
    """Whether `[x, x]`: both ends the same, whatever commas stand in them."""
    inside = interval[1:-1]
    middle = len(inside) // 2
    return interval.startswith("[") and interval.endswith("]") and inside[: middle - 1] == inside[middle + 1 :]


def _verdict(cost: Cost) -> str:
    counted = (
        f"In all it looked at {_plural(cost.keys, 'key')} and {_plural(cost.documents, 'document')} and returned "
        f"{cost.returned:,}, "
        f"in {cost.milliseconds:.0f} ms"
    )
    if cost.scans and cost.documents > MANY_FOR_ONE * max(cost.returned, 1):
        return f"{counted}: an index would spare it most of that."
    if cost.documents > MANY_FOR_ONE * max(cost.returned, 1):
        return f"{counted}: its index finds far more than it needs."
    if cost.sorts:
        return f"{counted}: an index in that order would spare it the sort."
    return f"{counted}."
