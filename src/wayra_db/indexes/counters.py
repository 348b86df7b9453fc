"""What each data-bearing member counts on a collection. Reads only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from wayra_db.indexes.canary import Counters
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.members import Members, ask_each

# What a member is called where members cannot be told apart.
SERVER = "the server"

T = TypeVar("T")


def read_counters(deployment: Deployment, members: Members, collection: str) -> dict[str, Counters]:
    """Collection scans and reads of a collection, by member; one that does not answer or refuses is missing."""

    def ask(preference: Any) -> Counters:
        documents = deployment.database.get_collection(collection, read_preference=preference)
        scans = reads = micros = 0
        # One document, on a sharded cluster one a shard.
        for one in documents.aggregate([{"$collStats": {"queryExecStats": {}, "latencyStats": {}}}]):
            scans += int(one["queryExecStats"]["collectionScans"]["total"])
            reads += int(one["latencyStats"]["reads"]["ops"])
            micros += int(one["latencyStats"]["reads"]["latency"])
        return Counters(scans, reads, micros)

    return _answers(deployment, members, ask)


def read_uses(deployment: Deployment, members: Members, collection: str, index: str) -> dict[str, int]:
    """How often each member has used an index since it counts; one that does not answer or refuses is missing."""

    def ask(preference: Any) -> int:
        documents = deployment.database.get_collection(collection, read_preference=preference)
        stats = documents.aggregate([{"$indexStats": {}}])
        return sum(int(one["accesses"]["ops"]) for one in stats if one["name"] == index)

    return _answers(deployment, members, ask)


def _answers(deployment: Deployment, members: Members, ask: Callable[[Any], T]) -> dict[str, T]:
    from pymongo.errors import OperationFailure

    def willing(preference: Any) -> T | None:
        try:
            return ask(preference)
        except OperationFailure:
            return None

    answers, _ = ask_each(deployment, members, willing)
    return {member or SERVER: answer for member, answer in answers.items() if answer is not None}
