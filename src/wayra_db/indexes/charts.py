"""Charts and tables as HTML and SVG text, and a page's style. Pure; whatever is not HTML already is escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

MOST_BARS = 40
LABEL_WIDTH, BAR_WIDTH, VALUE_WIDTH, ROW_HEIGHT = 300, 380, 150, 24
LONGEST_LABEL = 44


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart: its label, its length in the chart's unit, what is written at its end, and its colour.

    `before` is drawn behind it, pale, where a value is compared with an earlier one.
    """

    label: str
    value: float
    text: str
    kind: str = "plain"
    before: float | None = None


def tiles(facts: Sequence[tuple[str, str]]) -> str:
    """Numbers worth a look, each with what it counts."""
    shown = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in facts)
    return f"<div class=tiles>{shown}</div>"


def chart(bars: Sequence[Bar], title: str) -> str:
    """Horizontal bars, the longest filling the width. Those past the most are summed up in words."""
    shown, hidden = list(bars[:MOST_BARS]), len(bars) - MOST_BARS
    longest = max((max(bar.value, bar.before or 0.0) for bar in shown), default=0.0)

    def width(value: float) -> float:
        return max(2.0, BAR_WIDTH * value / longest) if longest and value else 0.0

    rows = []
    for number, bar in enumerate(shown):
        top, end = number * ROW_HEIGHT, max(width(bar.value), width(bar.before or 0.0))
        pale = f"<rect class=before x={LABEL_WIDTH} y={top + 4} width={width(bar.before):.1f} height=16 rx=2 />" if (
            bar.before
        ) else ""  # fmt: skip
        rows.append(
            f"<g><title>{escape(bar.label)}: {escape(bar.text)}</title>"
            f"<text x={LABEL_WIDTH - 8} y={top + 16} text-anchor=end>{escape(_short(bar.label))}</text>{pale}"
            f'<rect class="{bar.kind}" x={LABEL_WIDTH} y={top + 4} width={width(bar.value):.1f} height=16 rx=2 />'
            f"<text class=value x={LABEL_WIDTH + end + 6:.1f} y={top + 16}>{escape(bar.text)}</text></g>"
        )
    total = LABEL_WIDTH + BAR_WIDTH + VALUE_WIDTH
    more = f"<p class=quiet>and {hidden:,} more</p>" if hidden > 0 else ""
    return (
        f'<svg role=img aria-label="{escape(title)}" viewBox="0 0 {total} {len(shown) * ROW_HEIGHT}">'
        f"<title>{escape(title)}</title>{''.join(rows)}</svg>{more}"
    )


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def stack(counts: Mapping[str, int], colour_of: Callable[[str], str]) -> str:
    """One bar of all steps, each as wide as it is frequent, and what each colour is in words below it."""
    if not counts:
        return ""
    total, left = sum(counts.values()), 0.0
    width = LABEL_WIDTH + BAR_WIDTH + VALUE_WIDTH
    pieces, words = [], []
    for step, count in counts.items():
        share = width * count / total
        pieces.append(
            f'<rect class="{colour_of(step)}" x={left:.1f} y=0 width={max(share - 2, 1):.1f} height=18 rx=2>'
            f"<title>{escape(step)}: {count}</title></rect>"
        )
        words.append(f"<span class={colour_of(step)}></span> {count:,} {escape(step)}")
        left += share
    drawn = f'<svg role=img aria-label="Shares" viewBox="0 0 {width} 18">{"".join(pieces)}</svg>'
    return f"{drawn}<p class=key>{' '.join(words)}</p>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table of cells that are HTML already."""

    def cells(tag: str, row: Sequence[str], mark: Callable[[int], str]) -> str:
        return "".join(f"<{tag}{mark(number)}>{cell}</{tag}>" for number, cell in enumerate(row))

    def mark(number: int) -> str:
        return " class=number" if number in right else ""

    body = "".join(f"<tr>{cells('td', row, mark)}</tr>" for row in rows)
    return (
        f"<div class=wide><table><thead><tr>{cells('th', head, mark)}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def size(number: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


STYLE = """
:root { color-scheme: light dark; --ink: #1d2733; --quiet: #66717e; --paper: #fff; --line: #dfe4ea; --plain: #4c78a8;
  --good: #2f9e63; --bad: #d1495b; --warn: #d98e04; --pale: #c9d3de; --tile: #f4f6f9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ef; --quiet: #97a3b0; --paper: #14191f; --line: #2c353f;
  --plain: #6f9fd0; --good: #4cc38a; --bad: #ef6b7c; --warn: #f0b440; --pale: #3b4754; --tile: #1d242c; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 19px; margin: 36px 0 8px; }
code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
.quiet { color: var(--quiet); } p.warn { color: var(--warn); }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.tiles div { background: var(--tile); border-radius: 8px; padding: 10px 18px; display: flex; flex-direction: column; }
.tiles b { font-size: 22px; } .tiles span { color: var(--quiet); font-size: 13px; }
svg { width: 100%; height: auto; display: block; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg text.value { fill: var(--quiet); }
rect.plain { fill: var(--plain); } rect.good { fill: var(--good); } rect.bad { fill: var(--bad); }
rect.warn { fill: var(--warn); } rect.quiet { fill: var(--pale); } rect.before { fill: var(--pale); }
.key span { display: inline-block; width: 12px; height: 12px; border-radius: 2px; margin-left: 12px;
  vertical-align: -1px; }
.key span.plain { background: var(--plain); } .key span.good { background: var(--good); }
.key span.bad { background: var(--bad); } .key span.warn { background: var(--warn); }
.key span.quiet { background: var(--pale); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 500; } .number { text-align: right; white-space: nowrap; }
.chip { border-radius: 10px; padding: 1px 9px; font-size: 12px; white-space: nowrap; border: 1px solid currentColor; }
.chip.good { color: var(--good); } .chip.bad { color: var(--bad); } .chip.warn { color: var(--warn); }
@media (max-width: 640px) { thead { display: none; } td, td.number { border: 0; padding: 2px 0; text-align: left; }
  tr, td { display: block; } tr { padding: 8px 0; border-bottom: 1px solid var(--line); } }
"""
