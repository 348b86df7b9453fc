"""Plans, problems and results of indexes in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wayra_db.cli._output import BAD, FAINT, GOOD, WARN, Output, plural

if TYPE_CHECKING:
    from wayra_db.indexes import IndexResult
    from wayra_db.indexes.checks import Problem
    from wayra_db.indexes.plan import IndexPlan, PlannedIndex

_STYLES = {"keep": GOOD, "undeclared": FAINT, "rebuild": BAD, "drop": BAD}
_WORDS = {"undeclared": "unknown"}


def show_plan(output: Output, plan: IndexPlan) -> None:
    """A line an index, what is to be done first; and what is known of a run that was cut off."""
    output.table(
        [
            [
                output.style(_WORDS.get(one.step, one.step), _STYLES.get(one.step, WARN)),
                one.namespace,
                output.style(_detail(one), FAINT),
            ]
            for one in plan.indexes
        ]
    )
    for sentence in plan.interrupted:
        output.line(f"  {output.style('interrupted', WARN)}  {sentence}")


def _detail(one: PlannedIndex) -> str:
    from wayra_db.indexes.spec import in_words

    if one.step == "create":
        return ", ".join(part for part in (in_words(one.declared), one.detail) if part)
    return one.detail


def show_problems(output: Output, problems: Sequence[Problem]) -> None:
    """A line a problem, with its samples. What only production asks a word for is a warning."""
    from wayra_db.indexes.validation import sample_line

    for one in problems:
        word = "warning" if one.action else "refused"
        output.line(f"  {output.style(word, WARN if one.action else BAD)}  {one.namespace}: {one.message}")
        for sample in one.samples:
            output.line(f"    {sample_line(sample)}")
        for line in one.hint.splitlines():
            output.line(f"    {output.style(output.pasteable(line), FAINT)}")


def show_result(output: Output, result: IndexResult, verb: str) -> None:
    """A line an index that was changed, or that nothing was."""
    output.document(result.to_dict())
    words = {
        "created": result.created,
        "changed": result.modified,
        "replaced": result.replaced,
        "hid": result.hidden,
        "dropped": result.dropped,
    }
    for word, names in words.items():
        for name in names:
            output.line(f"  {word} {name}")
    for name, reason in result.kept:
        output.line(f"  {output.style('kept', WARN)} {name}: {reason}")
    if result.changed:
        output.line(f"{verb} {plural(sum(map(len, words.values())), 'index', 'indexes')}.")
    elif not result.kept:
        output.line("Nothing to do: every declared index is live.")
