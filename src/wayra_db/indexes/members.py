"""What each data-bearing member counts on a collection. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from wayra_db.indexes.canary import Counters
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

if TYPE_CHECKING:
    from pymongo import MongoClient

PRIMARY = "the server"
_SELECTION_MILLISECONDS = 2000


class Members:
    """The members that can be asked, and those that cannot."""

    def __init__(
        self, deployment: Deployment, clients: dict[str, MongoClient[dict[str, Any]]], silent: list[str]
    ) -> None:
        self._deployment = deployment
        self._clients = clients
        self.silent = tuple(silent)

    def counters(self, collection: str) -> dict[str, Counters]:
        """The counters of each member; one that does not answer now is missing."""
        from pymongo.errors import PyMongoError

        found: dict[str, Counters] = {}
        for name, client in self._clients.items():
            try:
                found[name] = _counters(client, self._deployment.database_name, collection)
            except PyMongoError:
                continue
        return found

    def uses(self, collection: str, index: str) -> dict[str, int]:
        """How often each member has used an index since it counts."""
        from pymongo.errors import PyMongoError

        found: dict[str, int] = {}
        for name, client in self._clients.items():
            try:
                stats = client[self._deployment.database_name][collection].aggregate([{"$indexStats": {}}])
                found[name] = sum(int(one["accesses"]["ops"]) for one in stats if one["name"] == index)
            except PyMongoError:
                continue
        return found


@contextmanager
def members_of(deployment: Deployment) -> Iterator[Members]:
    """Within the block, connections to each data-bearing member; only to the given client's where there is no URI."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError
    from pymongo.uri_parser import parse_uri

    with ExitStack() as opened, translated(deployment.address):
        hello = deployment.client.admin.command("hello")
        hosts = [*hello.get("hosts", ()), *hello.get("passives", ())]
        if deployment.uri is None or len(hosts) < 2:
            yield Members(deployment, {hello.get("me", PRIMARY): deployment.client}, [])
            return
        parsed = parse_uri(deployment.uri, warn=False)
        options = {key: value for key, value in parsed["options"].items() if key.lower() != "replicaset"}
        if parsed.get("username"):
            options |= {"username": parsed["username"], "password": parsed["password"]}
            options.setdefault("authSource", parsed.get("database") or "admin")
        clients: dict[str, MongoClient[dict[str, Any]]] = {}
        silent: list[str] = []
        for host in hosts:
            client: MongoClient[dict[str, Any]] = MongoClient(
                f"mongodb://{host}/",
                **{**options, "directConnection": True, "serverSelectionTimeoutMS": _SELECTION_MILLISECONDS},
            )
            opened.callback(client.close)
            try:
                client.admin.command("ping")
                clients[host] = client
            except PyMongoError:
                silent.append(host)
        yield Members(deployment, clients, silent)


def _counters(client: MongoClient[dict[str, Any]], database: str, collection: str) -> Counters:
    from pymongo import ReadPreference

    stats = client.get_database(database, read_preference=ReadPreference.PRIMARY_PREFERRED)[collection].aggregate(
        [{"$collStats": {"queryExecStats": {}, "latencyStats": {}}}]
    )
    scans = reads = micros = 0
    for one in stats:  # one document, on a sharded cluster one a shard
        scans += int(one["queryExecStats"]["collectionScans"]["total"])
        reads += int(one["latencyStats"]["reads"]["ops"])
        micros += int(one["latencyStats"]["reads"]["latency"])
    return Counters(scans, reads, micros)
