"""MG401: a connection or session of the migration's own."""

from __future__ import annotations

from collections.abc import Iterator

from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source

_CLIENTS = frozenset({"AsyncMongoClient", "AsyncIOMotorClient", "MongoClient", "MotorClient"})
_FROM = ("pymongo", "motor")


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Clients that the file constructs, and sessions that it starts."""
    for call in source.external_calls:
        if call.path.rpartition(".")[2] in _CLIENTS and call.path.startswith(_FROM):
            yield Problem(
                call.node,
                f"{source.code(call.node.func)} opens a connection of its own: what goes through it is in "
                "no transaction, does not stop when the lock is lost, and may reach another database than the one that "
                "is migrated. Use the database that `up` is given",
                f'{source.up.database}.client["other_database"]  # another database of the same deployment',
            )
    for trace in source.traces:
        for operation in trace.operations:
            if operation.method == "start_session":
                yield Problem(
                    operation.node,
                    "a session of its own leaves the migration's transaction, and its record is not in it. Calls on "
                    f"`{trace.database}` already join the right one; `{trace.context}.session` names it",
                    f"{trace.context}.session  # in def {trace.direction}({trace.database}, {trace.context})",
                )


RULE = Rule("MG401", "own-client", Severity.ERROR, "A migration opens a connection or session of its own", check)
