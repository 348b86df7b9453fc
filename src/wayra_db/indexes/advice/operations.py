"""One recorded operation, read from a profiler entry, a line of the server's log or a `$queryStats` entry. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# Replayed for `explain`, and nothing else: these can change nothing.
Command = Mapping[str, Any]
OWN_APPLICATION = "wayra-db"
# Stages that keep each document and its place, so that a `$limit` behind them limits what is read.
KEEPING = frozenset({"$project", "$addFields", "$set", "$unset", "$lookup", "$graphLookup"})
# Stages that make the documents which a `$lookup` behind them joins.
MAKING = frozenset(
    {"$project", "$addFields", "$set", "$unset", "$unwind", "$group", "$replaceRoot", "$replaceWith", "$lookup"}
)
# As many documents are joined when a `$lookup` is replayed: each may cost a scan.
JOINED_DOCUMENTS = 5


@dataclass(frozen=True, slots=True)
class Operation:
    """What was asked of one collection, and what it cost.

    `count` is 1, or how often for a summary; `milliseconds` and the numbers of documents are in all. `returned` is what
    it gave back or changed, None where nobody counted. `command` holds the recorded values: it is replayed, never
    shown. `kind` is `lookup` for what an aggregation's `$lookup` asks of another collection.
    """

    database: str
    collection: str
    kind: str
    filter: Mapping[str, Any] = field(repr=False)
    sort: tuple[tuple[str, int], ...] = ()
    distinct: str = ""
    limited: bool = False
    collation: Mapping[str, Any] | None = None
    command: Command | None = field(default=None, repr=False)
    count: int = 1
    milliseconds: float = 0.0
    keys_examined: int = 0
    documents_examined: int = 0
    returned: int | None = None
    sorted_in_memory: bool = False
    plan: str = ""
    at: datetime | None = None


def from_profile(entry: Mapping[str, Any]) -> Iterator[Operation]:
    """The operations in a document of `system.profile`: one, more with `$lookup`s, none for what finds nothing."""
    if entry.get("appName") == OWN_APPLICATION:
        return
    command = entry.get("originatingCommand") if entry.get("op") == "getmore" else entry.get("command")
    yield from _recorded(entry, command, entry.get("ns", ""), entry.get("op", ""), float(entry.get("millis", 0)))


def from_log(line: Mapping[str, Any]) -> Iterator[Operation]:
    """The operations in a line of the server's log (JSON, since 4.4): those of a slow query, none of another line."""
    facts = line.get("attr")
    if line.get("msg") != "Slow query" or not isinstance(facts, Mapping) or facts.get("appName") == OWN_APPLICATION:
        return
    recorded, kind = facts.get("command"), str(facts.get("type", ""))
    if isinstance(recorded, Mapping) and "getMore" in recorded:
        recorded, kind = facts.get("originatingCommand"), "getmore"
    moment = line.get("t")
    entry = {"ts": moment if isinstance(moment, datetime) else None, **facts}
    yield from _recorded(entry, recorded, str(facts.get("ns", "")), kind, float(facts.get("durationMillis", 0)))


def from_query_stats(entry: Mapping[str, Any]) -> Iterator[Operation]:
    """The operations in a result of `$queryStats`, which counts per shape and has types in the place of values."""
    shape, metrics = entry["key"]["queryShape"], _flattened(entry.get("metrics", {}))
    namespace, kind = shape.get("cmdNs", {}), shape.get("command")
    if kind not in ("find", "aggregate", "distinct", "count") or "coll" not in namespace:
        return
    if entry["key"].get("client", {}).get("application", {}).get("name") == OWN_APPLICATION:
        return
    command = {kind: namespace["coll"], **{key: value for key, value in shape.items() if key not in ("cmdNs", kind)}}
    facts = {
        "docsExamined": _sum(metrics.get("docsExamined")),
        "keysExamined": _sum(metrics.get("keysExamined")),
        "nreturned": _sum(metrics.get("docsReturned")),
        "ts": metrics.get("latestSeenTimestamp"),
        "count": int(metrics.get("execCount", 1)),
        "hasSortStage": _sum(metrics.get("hasSortStage"), "true") > 0,
        "replay": False,
    }
    milliseconds = _sum(metrics.get("totalExecMicros")) / 1000
    yield from _recorded(facts, command, f"{namespace.get('db', '')}.{namespace['coll']}", "command", milliseconds)


def from_command(database: str, command: Mapping[str, Any]) -> Operation | None:
    """The operation that a command asks for, as an application would send it; None where it is none that finds
    documents. Of several updates or deletes in one command it is the first.
    """
    name = next(iter(command), "")
    collection, op = command.get(name), "command"
    for verb, listed, kind in (("update", "updates", "update"), ("delete", "deletes", "remove")):
        if name == verb and command.get(listed):
            command, op = command[listed][0], kind
    return next(_recorded({}, command, f"{database}.{collection}", op, 0.0), None)


def _flattened(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics by name: newer servers put some into groups, such as `queryExec`."""
    groups = [value for name, value in metrics.items() if name in ("cursor", "queryExec", "queryPlanner")]
    return {**metrics, **{name: value for group in groups for name, value in group.items()}}


def _sum(metric: Any, part: str = "sum") -> int:
    # Sums of squares, beside these, are Decimal128; a sum may be one of any number's kinds.
    return int(str(metric.get(part, 0)).partition(".")[0]) if isinstance(metric, Mapping) else 0


def _recorded(
    entry: Mapping[str, Any], command: Any, namespace: str, op: str, milliseconds: float
) -> Iterator[Operation]:
    database, _, collection = namespace.partition(".")
    if not isinstance(command, Mapping) or "$truncated" in command or not collection:
        return
    facts: dict[str, Any] = {
        "count": 0 if op == "getmore" else int(entry.get("count", 1)),
        "milliseconds": milliseconds,
        "keys_examined": int(entry.get("keysExamined", 0)),
        "documents_examined": int(entry.get("docsExamined", 0)),
        "sorted_in_memory": bool(entry.get("hasSortStage")),
        "plan": str(entry.get("planSummary", "")),
        "at": entry.get("ts"),
    }
    asked = _asked(command, op)
    if asked is None:
        return
    kind, first, rest = asked
    if collection.startswith("system.") or first.get("hint"):
        return
    yield Operation(
        database,
        collection,
        kind,
        collation=_collation(first.get("collation")),
        returned=_returned(entry, kind),
        command=_replay(collection, kind, first) if entry.get("replay", True) else None,
        **facts,
        **_shape(kind, first),
    )
    if op != "getmore":
        replayed = collection if entry.get("replay", True) and not collection.startswith("$") else ""
        yield from _looked_up(database, replayed, first, rest, facts)


def _asked(command: Mapping[str, Any], op: str) -> tuple[str, dict[str, Any], Sequence[Any]] | None:
    """The kind, what it asks in the words of `find`, and the stages of an aggregation."""
    common = {name: command[name] for name in ("collation", "hint", "let") if name in command}
    if op in ("update", "remove") and "q" in command:
        one = not command.get("multi") if op == "update" else command.get("limit") == 1
        return ("update" if op == "update" else "delete"), {**common, "filter": command["q"], "one": one}, ()
    if "find" in command:
        names = ("filter", "sort", "limit", "skip", "projection")
        return "find", {**common, **{name: command[name] for name in names if name in command}}, ()
    if "aggregate" in command and isinstance(command.get("pipeline"), (list, tuple)):
        stages = [stage for stage in command["pipeline"] if isinstance(stage, Mapping)]
        return "aggregate", {**common, **_leading(stages)}, stages
    if "count" in command:
        return "count", {**common, "filter": command.get("query") or {}}, ()
    if "distinct" in command:
        return "distinct", {**common, "filter": command.get("query") or {}, "key": command.get("key", "")}, ()
    for name in ("findAndModify", "findandmodify"):
        if name in command:
            sort = {"sort": command["sort"]} if command.get("sort") else {}
            return "findAndModify", {**common, **sort, "filter": command.get("query") or {}, "one": True}, ()
    return None


def _leading(stages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The stages in front that the server turns into a `find`: `$match`, `$sort`, `$limit`, `$skip`."""
    matches: list[Any] = []
    found: dict[str, Any] = {}
    only_limit = False
    for stage in stages:
        name, value = next(iter(stage.items()), ("", None))
        if name == "$match" and not only_limit and "skip" not in found:
            matches.append(value)
        elif name == "$sort" and "sort" not in found and not only_limit and "skip" not in found:
            found["sort"] = value
        elif name == "$skip":
            found["skip"] = value
        elif name == "$limit":
            found["limit"] = value
            break
        elif name in KEEPING:
            only_limit = True
        else:
            break
    found["filter"] = matches[0] if len(matches) == 1 else {"$and": matches} if matches else {}
    return found


def _looked_up(
    database: str, replayed: str, asked: Mapping[str, Any], stages: Sequence[Any], facts: Mapping[str, Any]
) -> Iterator[Operation]:
    """What `$lookup` and `$graphLookup` ask of other collections: equality on one field.

    `replayed` is the collection to replay them from, if they can be. The server tells nothing of a `$graphLookup`.
    """
    making: list[Mapping[str, Any]] = []
    for stage in stages:
        if not isinstance(stage, Mapping):
            continue
        join, walk = stage.get("$lookup"), stage.get("$graphLookup")
        joined = join if isinstance(join, Mapping) else walk if isinstance(walk, Mapping) else {}
        fields = joined.get("foreignField") or joined.get("connectToField")
        if isinstance(fields, str) and isinstance(joined.get("from"), str):
            yield Operation(
                database,
                joined["from"],
                "lookup",
                {fields: "?"},
                collation=_collation(asked.get("collation")),
                command=_replay_join(replayed, asked, making, stage) if join and replayed else None,
                # How much of the whole it cost, nobody has measured.
                **{**facts, "plan": "", "sorted_in_memory": False},
            )
        if next(iter(stage), "") in MAKING:
            making.append(stage)


def _replay_join(
    collection: str, asked: Mapping[str, Any], making: Sequence[Mapping[str, Any]], join: Mapping[str, Any]
) -> Command:
    """The `$lookup` for a few documents, whichever: all ask the same of the other collection. What they were found by
    is left out, for that is another operation's question.
    """
    shared = {name: asked[name] for name in ("collation", "let") if asked.get(name)}
    pipeline = [{"$limit": JOINED_DOCUMENTS}, *making, join]
    return {"aggregate": collection, "pipeline": pipeline, "cursor": {}, "hint": {"_id": 1}, **shared}


def joined_by(command: Command) -> tuple[str, ...]:
    """The collections that a replayed `$lookup` reads, the one it is asked from first; none for another command."""
    if "aggregate" not in command:
        return ()
    joins = (stage.get("$lookup") for stage in command["pipeline"])
    found = (join["from"] for join in joins if isinstance(join, Mapping) and isinstance(join.get("from"), str))
    return tuple(dict.fromkeys((command["aggregate"], *found)))


def _shape(kind: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    query = asked.get("filter")
    return {
        "filter": query if isinstance(query, Mapping) else {},
        "sort": _sort(asked.get("sort")),
        "distinct": str(asked.get("key", "")),
        "limited": bool(asked.get("limit") or asked.get("one")),
    }


def _sort(value: Any) -> tuple[tuple[str, int], ...]:
    if not isinstance(value, Mapping) or any(not isinstance(order, (int, float)) for order in value.values()):
        return ()
    return tuple((name, -1 if order < 0 else 1) for name, order in value.items())


def _collation(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) and value else None


def _returned(entry: Mapping[str, Any], kind: str) -> int | None:
    if kind in ("count", "distinct"):
        return None
    if kind == "update":
        return int(entry.get("nMatched", 0))
    if kind == "delete":
        return int(entry.get("ndeleted", 0))
    if kind == "findAndModify":
        return int(entry.get("nMatched", entry.get("ndeleted", 1)))
    return int(entry.get("nreturned", 0)) if "nreturned" in entry else None


def _replay(collection: str, kind: str, asked: Mapping[str, Any]) -> Command:
    """A command that only reads and finds the same documents in the same way."""
    shared = {name: asked[name] for name in ("collation", "let") if asked.get(name)}
    query = asked.get("filter") or {}
    if kind == "count":
        return {"count": collection, "query": query, **shared}
    if kind == "distinct":
        return {"distinct": collection, "key": asked["key"], "query": query, **shared}
    names = ("sort", "limit", "skip", "projection")
    more = {name: asked[name] for name in names if asked.get(name)}
    if asked.get("one"):
        more["limit"] = 1
    return {"find": collection, "filter": query, **more, **shared}
