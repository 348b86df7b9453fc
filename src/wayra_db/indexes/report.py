"""One self-contained HTML page of what is known of indexes: sizes, use, findings, the plan, what is suggested. Pure.

No script, no font, no picture from anywhere: the page can be mailed and opened without a network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from wayra_db.indexes.charts import STYLE, Bar, chart, size, stack, table, tiles
from wayra_db.indexes.spec import in_words
from wayra_db.indexes.usage.model import Kind, span

if TYPE_CHECKING:
    from wayra_db.indexes.advice.advisor import Suggestion
    from wayra_db.indexes.advice.propose import Proposal
    from wayra_db.indexes.advice.prove import Proof
    from wayra_db.indexes.plan import IndexPlan
    from wayra_db.indexes.usage.model import Finding, LiveIndex, UsageReport


def page(
    database: str,
    at: datetime,
    *,
    usage: UsageReport | None = None,
    plan: IndexPlan | None = None,
    suggestion: Suggestion | None = None,
) -> str:
    """The whole page, with the parts that are given."""
    parts: list[str] = []
    if usage is not None:
        parts += _usage(usage)
    if suggestion is not None:
        parts += _suggestion(suggestion)
    if plan is not None:
        parts += _plan(plan)
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Indexes of {escape(database)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>Indexes of {escape(database)}</h1>\n<p class=quiet>{at:%Y-%m-%d %H:%M} UTC, by wayra-db</p>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def _usage(report: UsageReport) -> Iterable[str]:
    indexes = report.indexes
    flagged = {(one.collection, one.index) for one in report.findings if one.kind is not Kind.NOT_YET_USED}
    data = sum({one.collection: one.data_bytes for one in indexes}.values())
    in_memory = sum(one.cached_bytes or 0 for one in indexes)
    facts = [
        ("indexes", f"{len(indexes):,}"),
        ("on disk", size(report.size_bytes)),
        ("in memory", size(in_memory)),
        ("of the data’s size", f"{report.size_bytes / data:.0%}" if data else "–"),
        ("with a finding", f"{len(flagged):,}"),
    ]
    yield tiles(facts)
    if report.unreachable:
        missing = escape(", ".join(report.unreachable))
        yield f"<p class=warn>Not asked: {missing}. No index is called unused while a member is out of reach.</p>"
    yield "<h2>Findings</h2>"
    telling = [one for one in report.findings if one.kind is not Kind.NOT_YET_USED]
    yield _findings(telling) if telling else "<p>Nothing speaks against any index.</p>"
    not_yet = [
        f"<code>{escape(f'{one.collection}.{one.index}')}</code>" for one in report.findings if one not in telling
    ]
    if not_yet:
        yield f"<p class=quiet>Not used yet, and not watched for long enough to say more: {', '.join(not_yet)}.</p>"

    def kind(index: LiveIndex) -> str:
        return "bad" if (index.collection, index.name) in flagged else "plain"

    yield "<h2>Size</h2>"
    by_size = sorted(indexes, key=lambda one: -one.size_bytes)
    yield chart(
        [
            Bar(one.namespace, one.size_bytes, f"{size(one.size_bytes)}, {one.ratio:.0%} of data", kind(one))
            for one in by_size
        ],
        "Size of each index on disk",
    )
    yield "<h2>Use</h2>"
    longest = max((one.use.observed_days for one in indexes), default=0.0)
    yield (
        f"<p class=quiet>Operations on all members, on a logarithmic scale; observed for up to {span(longest)}, kept "
        f"samples: {report.samples}. The server counts what answers queries: uniqueness and expiry are duties "
        "that no counter shows.</p>"
    )
    by_use = sorted(indexes, key=lambda one: (-one.use.uses, one.namespace))
    yield chart(
        [
            Bar(
                one.namespace,
                math.log10(one.use.uses + 1),
                f"{one.use.uses:,} in {span(one.use.observed_days)}",
                kind(one),
            )
            for one in by_use
        ],
        "How often each index was used",
    )
    yield "<p class=key><span class=plain></span> nothing against it <span class=bad></span> has a finding</p>"


def _findings(findings: Sequence[Finding]) -> str:
    rows = [
        (
            f"<span class='chip {_chip(one.kind.value)}'>{escape(one.kind.value)}</span>",
            f"<code>{escape(f'{one.collection}.{one.index}')}</code>",
            escape(one.evidence),
            escape(one.next),
        )
        for one in findings
    ]
    return table(("", "Index", "Evidence", "Next"), rows)


def _chip(kind: str) -> str:
    return {"unused": "bad", "redundant": "bad", "duplicate": "bad"}.get(kind, "warn")


def _suggestion(found: Suggestion) -> Iterable[str]:
    recorded = found.recorded
    count = sum(one.observed.count for one in found.shapes)
    yield "<h2>Suggested indexes</h2>"
    yield (
        f"<p class=quiet>From {escape(recorded.source)}: {count:,} operations of {len(found.shapes):,} shapes"
        f"{_between(recorded.earliest, recorded.latest)}.</p>"
    )
    if not found.proposals:
        yield "<p>No index would help what was recorded.</p>"
        return
    yield chart(
        [
            Bar(
                f"{one.collection}.{one.name}",
                one.weight,
                f"{one.milliseconds:,.0f} ms, {one.count:,} ×",
                _proved(found, one),
            )
            for one in found.proposals
        ],
        "Weight of what each suggested index serves",
    )
    rows = [
        (
            f"<code>{escape(one.collection)}</code>",
            f"<code>{escape(one.declaration)}</code>",
            f"{len(one.shapes)}",
            size(one.size_bytes) if one.size_bytes is not None else "–",
            escape(", ".join(one.replaces)) or "–",
            _proof_words(found, one),
        )
        for one in found.proposals
    ]
    yield table(("Collection", "Declaration", "Shapes", "Size, about", "Replaces", "Proof"), rows)
    if found.proof is not None:
        yield "<h2>Proved on a copy</h2>"
        copied = ", ".join(f"{some:,} of {of:,} documents of {name}" for name, (some, of) in found.proof.copied.items())
        yield f"<p class=quiet>Copied: {escape(copied)}. Pale is before, full is after, on a logarithmic scale.</p>"
        yield chart(list(_proof_bars(found, found.proof)), "Documents that recorded queries read, before and after")
    yield "<h2>What was asked</h2>"
    yield table(
        ("Shape", "Count", "Time", "Read", "Returned", "Fate"),
        [
            (
                f"<code>{escape(str(one.observed.shape))}</code> <span class=quiet>{one.observed.shape.id}</span>",
                f"{one.observed.count:,}",
                f"{one.observed.milliseconds:,.0f} ms",
                f"{one.observed.documents_examined:,}",
                f"{one.observed.returned:,}" if one.observed.returned is not None else "–",
                escape(one.fate.value) + (f": <code>{escape(one.index)}</code>" if one.index else ""),
            )
            for one in found.shapes
        ],
        right=(1, 2, 3, 4),
    )


def _proof_bars(found: Suggestion, proof: Proof) -> Iterable[Bar]:
    """A line a shape: what its recorded queries read in all."""
    for judged in found.shapes:
        queries = [one for one in proof.queries if one.shape == judged.observed.shape.id]
        if queries:
            before = sum(one.before.documents for one in queries)
            after = sum(one.after.documents for one in queries)
            yield Bar(
                str(judged.observed.shape),
                math.log10(after + 1),
                f"{before:,} → {after:,}",
                "bad" if any(one.after.scans for one in queries) else "good",
                math.log10(before + 1),
            )


def _proved(found: Suggestion, proposal: Proposal) -> str:
    proved = found.proof.of(proposal.collection, proposal.name) if found.proof else None
    return "plain" if proved is None else "bad" if proved.marked else "good"


def _proof_words(found: Suggestion, proposal: Proposal) -> str:
    proved = found.proof.of(proposal.collection, proposal.name) if found.proof else None
    if proved is None:
        return "–"
    if proved.refused:
        return f"<span class='chip bad'>cannot be built</span> {escape(proved.refused)}"
    if not proved.queries:
        return "no recorded query to prove it by"
    said = f"chosen by {proved.chosen} of {proved.queries} queries"
    return f"<span class='chip warn'>never chosen</span> {said}" if proved.marked else said


def _between(earliest: datetime | None, latest: datetime | None) -> str:
    return f", {earliest:%Y-%m-%d %H:%M} to {latest:%Y-%m-%d %H:%M}" if earliest and latest else ""


def _plan(plan: IndexPlan) -> Iterable[str]:
    yield "<h2>Declared against live</h2>"
    if not plan.indexes:
        yield "<p>No indexes are declared.</p>"
        return
    counts: dict[str, int] = {}
    for index in plan.indexes:
        counts[index.step.value] = counts.get(index.step.value, 0) + 1
    yield stack(counts, _step_class)
    rows = [
        (
            f"<span class='chip {_step_class(one.step.value)}'>{escape(one.step.value)}</span>",
            f"<code>{escape(one.namespace)}</code>",
            f"<code>{escape(in_words(one.declared or one.live or {'key': {}}))}</code>",
            escape(one.detail),
        )
        for one in plan.indexes
    ]
    yield table(("", "Index", "Definition", ""), rows)


def _step_class(step: str) -> str:
    return {"keep": "good", "undeclared": "quiet", "rebuild": "bad", "drop": "bad"}.get(step, "warn")
