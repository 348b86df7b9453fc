"""MG402: work in another thread or process, which leaves the transaction."""

from __future__ import annotations

from collections.abc import Iterator

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.source import Source

_STARTS = frozenset(
    {
        "asyncio.to_thread",
        "concurrent.futures.ProcessPoolExecutor",
        "concurrent.futures.ThreadPoolExecutor",
        "concurrent.futures.process.ProcessPoolExecutor",
        "concurrent.futures.thread.ThreadPoolExecutor",
        "multiprocessing.Pool",
        "multiprocessing.Process",
        "multiprocessing.dummy.Pool",
        "multiprocessing.pool.Pool",
        "multiprocessing.pool.ThreadPool",
        "threading.Thread",
        "threading.Timer",
    }
)


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Everything that starts a thread or a process."""
    for call in source.external_calls:
        if call.path in _STARTS or call.path.endswith(".run_in_executor"):
            trace = source.up
            yield Problem(
                call.node,
                f"{source.code(call.node.func)} does its work in another thread or process: writes from there are in "
                "no transaction, and go on when the run has failed or lost its lock. Let the server do the work",
                f'{advice.wait(trace)}{trace.database}.users.update_many({{...}}, [{{"$set": {{...}}}}])'
                "  # one command for many documents",
            )


RULE = Rule("MG402", "thread", Severity.ERROR, "A migration starts a thread or a process", check)
