"""MG103: a write beside the batches of a batched migration."""

from __future__ import annotations

from collections.abc import Iterator

from wayra_db.migrations.lint import advice
from wayra_db.migrations.lint.driver import WRITES
from wayra_db.migrations.lint.model import Context, Problem, Rule, Severity
from wayra_db.migrations.lint.rules import non_idempotent
from wayra_db.migrations.lint.source import Source


def check(source: Source, context: Context) -> Iterator[Problem]:
    """Writes outside the batches of a direction that works in batches; those that cannot be repeated are MG301's."""
    for trace in source.traces:
        if not trace.is_batched:
            continue
        reported = {id(problem.node) for problem in non_idempotent.check(source, context)}
        for operation in trace.operations:
            if operation.method in WRITES and not operation.in_batch and id(operation.node) not in reported:
                yield Problem(
                    operation.node,
                    f"{operation.method} stands outside the batches: it has no checkpoint, is in no transaction, and "
                    "runs again each time that the migration resumes. Give it a migration of its own",
                    "\n".join(
                        [
                            f"# a migration of its own, before or after {source.path.name}",
                            advice.definition(trace),
                            f"    {advice.call(source, trace, operation)}",
                        ]
                    ),
                )


RULE = Rule("MG103", "outside-batches", Severity.WARNING, "A batched migration also writes beside its batches", check)
