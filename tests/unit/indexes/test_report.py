from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from wayra_db.indexes.charts import Bar, chart, size, stack, table
from wayra_db.indexes.plan import IndexPlan, PlannedIndex, Step
from wayra_db.indexes.report import page
from wayra_db.indexes.usage.model import Finding, Kind, LiveIndex, UsageReport, Use, span

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
NASTY = "</svg><script>alert(1)</script>"


def live(name: str, uses: int, bytes_on_disk: int) -> LiveIndex:
    """A live index of trips."""
    use = Use(uses, NOW, 12.0, 0.0, True, {"one": uses})
    return LiveIndex("trips", {"name": name, "key": {"a": 1}}, use, bytes_on_disk, 512, 10_000, 99)


def report(*indexes: LiveIndex, findings: tuple[Finding, ...] = (), unreachable: tuple[str, ...] = ()) -> UsageReport:
    """What is known of these indexes."""
    return UsageReport(NOW, indexes, findings, ("one",), unreachable, 3)


def bars(svg: str) -> list[float]:
    """The widths of a chart's bars."""
    root = ElementTree.fromstring(re.sub(r"(\w+)=([^\s\"'/>]+)", r'\1="\2"', svg))
    return [float(rect.attrib["width"]) for rect in root.iter("rect") if rect.attrib["class"] != "before"]


def test_bars_are_as_long_as_their_values() -> None:
    """The longest fills the width, nothing has no bar, and what is small can still be seen."""
    widths = bars(chart([Bar("a", 100, "100"), Bar("b", 50, "50"), Bar("c", 0.001, "0"), Bar("d", 0, "0")], "x"))
    assert widths == [380, 190, 2, 0]


def test_a_long_chart_says_what_it_leaves_out() -> None:
    """Forty lines are enough for the eye."""
    text = chart([Bar(f"i{number}", number, "") for number in range(45)], "x")
    assert text.count("<g>") == 40
    assert "and 5 more" in text


def test_a_chart_of_nothing() -> None:
    """No division by the longest of none."""
    assert "<svg" in chart([], "x")
    assert bars(chart([Bar("a", 0, "")], "x")) == [0]
    assert stack({}, lambda step: "good") == ""


def test_names_cannot_become_markup() -> None:
    """An index may be called anything."""
    finding = Finding(Kind.UNUSED, NASTY, NASTY, NASTY, NASTY)
    plan = IndexPlan((PlannedIndex(Step.CREATE, NASTY, NASTY, detail=NASTY),))
    index = LiveIndex(NASTY, {"name": NASTY, "key": {"a": 1}}, live("x", 0, 1).use, 5, None, 9, 9)
    text = page(NASTY, NOW, usage=report(index, findings=(finding,), unreachable=(NASTY,)), plan=plan)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 8


def test_the_page_stands_alone() -> None:
    """Nothing is fetched from anywhere, and every part that was given is there."""
    usage = report(
        live("a_1", 5, 2000), live("b_1", 0, 900), findings=(Finding(Kind.UNUSED, "trips", "b_1", "e", "n"),)
    )
    plan = IndexPlan((PlannedIndex(Step.KEEP, "trips", "a_1"), PlannedIndex(Step.CREATE, "trips", "c_1")))
    text = page("shop", NOW, usage=usage, plan=plan)
    assert not re.search(r"""(src|href)=|url\(|@import|<script""", text)
    for part in ("Findings", "Size", "Use", "Declared against live", "2026-06-01 12:30 UTC", "1 keep", "1 create"):
        assert part in text
    assert '<rect class="bad"' in text, "an index with a finding has its own colour"


def test_an_index_that_is_not_used_yet_is_no_finding_on_the_page() -> None:
    """It is named in a sentence, and its bars are plain."""
    not_yet = Finding(Kind.NOT_YET_USED, "trips", "b_1", "e", "n")
    text = page("shop", NOW, usage=report(live("b_1", 0, 900), findings=(not_yet,)))
    assert "Nothing speaks against any index." in text
    assert "Not used yet, and not watched for long enough to say more: <code>trips.b_1</code>." in text
    assert '<rect class="bad"' not in text


def test_a_table_marks_numbers() -> None:
    """They stand to the right."""
    assert table(("a", "b"), [("x", "1")], right=(1,)).count("class=number") == 2


@pytest.mark.parametrize(
    ("days", "words"), [(0, "0 min"), (0.01, "14 min"), (0.5, "12.0 h"), (1.9, "45.6 h"), (7.4, "7 days")]
)
def test_times_for_people(days: float, words: str) -> None:
    """Minutes, hours or days."""
    assert span(days) == words


@pytest.mark.parametrize(("number", "words"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e9, "2.5 GB")])
def test_sizes_for_people(number: float, words: str) -> None:
    """As the terminal writes them."""
    assert size(number) == words
