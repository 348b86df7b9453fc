"""From the time on a copy to the time on the real data. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from wayra_db.migrations.model import Mode
from wayra_db.migrations.rehearsal.model import Check, Estimate, Finding, PlannedCopy, Severity

# The server's own limit for a transaction, unless somebody has raised it.
TRANSACTION_SECONDS = 60.0


def estimate(seconds: float, copies: Sequence[PlannedCopy], touched: Sequence[str]) -> Estimate:
    """How long `up` may take on the real data, from `seconds` on the copies of the collections that it touches.

    Work grows with the documents, so the time is multiplied by real over copied documents. What does not grow, a
    commit or a round trip, is multiplied as well: from a small sample the figure errs upwards.
    """
    concerned = [copy for copy in copies if copy.name in touched and not copy.left_out]
    copied, of = sum(copy.documents for copy in concerned), sum(copy.of for copy in concerned)
    if not copied or copied == of:
        return Estimate(seconds, "measured on all documents" if copied else "it touches no documents that are there")
    names = ", ".join(copy.name for copy in concerned if not copy.whole)
    return Estimate(
        seconds * of / copied,
        f"{of:,} documents instead of {copied:,}, in proportion ({names}); errs upwards for a small sample",
    )


def too_long(version: int, mode: Mode, found: Estimate) -> Finding | None:
    """A word of warning when an atomic migration would outlive its transaction."""
    if mode != "atomic" or found.seconds < TRANSACTION_SECONDS:
        return None
    return Finding(
        Severity.NOTE,
        Check.ESTIMATE,
        f"it runs in one transaction and may take {found.seconds:,.0f} s, and the server ends a transaction after "
        f"{TRANSACTION_SECONDS:.0f} s; nothing would be kept then",
        "Go over the collection with `ctx.batches`, and rehearse with a larger --sample to be sure.",
        version=version,
    )


def spread(points: int, most: int) -> tuple[int, ...]:
    """At most `most` of the numbers 1 to `points`, evenly spread, the first and the last among them."""
    if points <= most:
        return tuple(range(1, points + 1))
    if most <= 1:
        return (1,) if most == 1 else ()
    return tuple(1 + round(number * (points - 1) / (most - 1)) for number in range(most))
