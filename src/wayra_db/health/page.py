"""The status as one self-contained HTML page. Pure.

No script, no font, no picture from anywhere: the page can be mailed and opened without a network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from wayra_db.health.facts import known
from wayra_db.health.findings import Finding
from wayra_db.health.status import StatefulUnit, Status
from wayra_db.health.words import size, span

WIDTH, ROW = 760, 26
LABEL, BAR = 220, 360


def page(status: Status) -> str:
    """The whole page."""
    name = escape(status.database)
    body = "\n".join(_body(status))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Status of {name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def _body(status: Status) -> Iterator[str]:
    findings = status.findings
    word, kind = ("all is well", "good") if status.healthy else ("look here", "warn")
    if any(one.severity == "error" for one in findings):
        word, kind = "look here" if status.reachable else "out of reach", "bad"
    yield f"<h1>{escape(status.database)} <span class='chip {kind}'>{word}</span></h1>"
    yield (
        f"<p class=quiet>{escape(status.address)}, {escape(status.environment)}; {status.at:%Y-%m-%d %H:%M:%S} UTC, by "
        "wayra-db</p>"
    )
    yield _findings(findings) if findings else "<p>Nothing speaks against it.</p>"
    yield from _server(status)
    if status.collections:
        yield "<h2>Collections</h2>"
        yield _sizes(status)
        yield _collections(status)
    for title, units in (("Migrations", status.migrations), ("Seeds", status.seeds)):
        if units:
            yield f"<h2>{title}</h2>"
            yield _units(units)
    if status.backup_facts:
        yield "<h2>Backups</h2>"
        yield _table(
            ("Backup", "Age", "Took", ""),
            [
                (
                    f"<code>{escape(one.name)}</code>",
                    span(max(0.0, (status.at - one.created_at).total_seconds())),
                    span(one.seconds),
                    _chip("damaged", "bad")
                    if one.damaged
                    else _chip("verified", "good")
                    if one.verified
                    else _chip("not verified", "warn"),
                )
                for one in status.backup_facts
            ],
            right=(1, 2),
        )


def _chip(word: str, kind: str) -> str:
    return f"<span class='chip {kind}'>{escape(word)}</span>"


_KINDS = {"error": "bad", "warning": "warn", "info": "quiet"}


def _findings(findings: Sequence[Finding]) -> str:
    return _table(
        ("", "Finding", "Next"),
        [(_chip(one.severity, _KINDS[one.severity]), escape(one.message), escape(one.next_step)) for one in findings],
    )


def _server(status: Status) -> Iterator[str]:
    tiles: list[tuple[str, str]] = []
    if status.deployment is not None:
        tiles.append((f"MongoDB {status.deployment.version}", status.deployment.topology))
    if status.latency_milliseconds is not None:
        tiles.append((f"{status.latency_milliseconds:.1f} ms", "there and back"))
    load, disk = known(status.server.load), known(status.server.disk)
    if load is not None:
        tiles.append((f"{load.connections:,}", "connections"))
        if load.cache_used is not None:
            tiles.append((f"{load.cache_used:.0%}", "of the cache used"))
    if disk is not None:
        tiles.append((f"{disk.share:.0%}", f"of {size(disk.total)} disk used"))
    if status.indexes is not None:
        tiles.append((f"{status.indexes.live} / {status.indexes.declared}", "declared indexes live"))
    if tiles:
        shown = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for value, name in tiles)
        yield f"<div class=tiles>{shown}</div>"
    replication = known(status.server.replication)
    if replication is not None and len(replication.members) > 1:
        yield "<h2>Members</h2>"
        yield _table(
            ("Member", "State", "Behind"),
            [
                (
                    f"<code>{escape(one.address)}</code>",
                    _chip(one.state.lower() or "reached", "good") if one.reachable else _chip("out of reach", "bad"),
                    "" if one.lag_seconds is None else span(one.lag_seconds),
                )
                for one in replication.members
            ],
            right=(2,),
        )


def _sizes(status: Status) -> str:
    """What each collection takes on disk: data, and the pale part of its file that holds nothing."""
    shown = sorted(status.collections or (), key=lambda one: -one.storage_size)[:20]
    longest = max((one.storage_size for one in shown), default=0)
    rows = []
    for number, one in enumerate(shown):
        top, whole = number * ROW, BAR * one.storage_size / longest if longest else 0.0
        full = whole * (1 - min(1.0, one.fragmentation))
        words = f"{size(one.storage_size)}" + (f", {one.fragmentation:.0%} empty" if one.fragmentation >= 0.01 else "")
        rows.append(
            f"<g><title>{escape(one.name)}: {words}</title>"
            f"<text x={LABEL - 8} y={top + 17} text-anchor=end>{escape(one.name[:30])}</text>"
            f"<rect class=pale x={LABEL} y={top + 4} width={max(whole, 2):.1f} height=18 rx=3 />"
            f"<rect class=plain x={LABEL} y={top + 4} width={max(full, 2):.1f} height=18 rx=3 />"
            f"<text class=value x={LABEL + max(whole, 2) + 8:.1f} y={top + 17}>{words}</text></g>"
        )
    return (
        f'<svg role=img aria-label="Size of each collection on disk" viewBox="0 0 {WIDTH} {len(shown) * ROW}">'
        f"{''.join(rows)}</svg>"
    )


def _collections(status: Status) -> str:
    rows = []
    for one in status.collections or ():
        grown = "" if one.growth is None else f"{one.growth.documents:+,} in {one.growth.days:.1f} days"
        sizes = (size(one.data_size), size(one.storage_size), size(one.index_size))
        rows.append((f"<code>{escape(one.name)}</code>", f"{one.documents:,}", *sizes, grown))
    return _table(("Collection", "Documents", "Data", "Storage", "Indexes", "Grown"), rows, right=(1, 2, 3, 4, 5))


_STATES = {"applied": "good", "done": "good", "pending": "warn", "stopped": "warn", "running": "warn"}
_QUIET = frozenset({"unknown", "other environment", "changed since it ran"})


def _units(units: Sequence[StatefulUnit]) -> str:
    rows = []
    for one in units:
        kind = "quiet" if one.verdict in _QUIET else _STATES.get(one.verdict, "bad")
        version = one.to_dict().get("version")
        rows.append(("" if version is None else str(version), escape(one.name), _chip(one.verdict, kind)))
    return _table(("", "Name", "State"), rows, right=(0,))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table of cells that are HTML already."""

    def line(tag: str, row: Sequence[str]) -> str:
        marks = [" class=number" if number in right else "" for number in range(len(row))]
        return "".join(f"<{tag}{mark}>{cell}</{tag}>" for mark, cell in zip(marks, row, strict=True))

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{line('th', head)}</tr></thead><tbody>{body}</tbody></table></div>"


STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --quiet: #5f6b78; --paper: #fff; --line: #dfe4ea; --plain: #4c78a8;
  --good: #22804d; --bad: #c2364a; --warn: #a36500; --pale: #c9d3de; --tile: #f4f6f9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ef; --quiet: #97a3b0; --paper: #14191f; --line: #2c353f;
  --plain: #6f9fd0; --good: #4cc38a; --bad: #ef6b7c; --warn: #f0b440; --pale: #3b4754; --tile: #1d242c; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 0; } h1 .chip { font-size: 15px; vertical-align: 4px; margin-left: 8px; }
h2 { font-size: 19px; margin: 32px 0 8px; }
code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
.quiet { color: var(--quiet); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0; }
.tiles div { background: var(--tile); border-radius: 8px; padding: 10px 18px; display: flex; flex-direction: column; }
.tiles b { font-size: 20px; } .tiles span { color: var(--quiet); font-size: 13px; }
svg { width: 100%; height: auto; display: block; margin-bottom: 12px; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg text.value { fill: var(--quiet); }
rect.plain { fill: var(--plain); } rect.pale { fill: var(--pale); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 500; } th.number, td.number { text-align: right; white-space: nowrap; }
.chip { border-radius: 10px; padding: 1px 9px; font-size: 12px; white-space: nowrap; border: 1px solid currentColor; }
.chip.good { color: var(--good); } .chip.bad { color: var(--bad); } .chip.warn { color: var(--warn); }
.chip.quiet { color: var(--quiet); }
"""
