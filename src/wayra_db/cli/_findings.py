"""Findings of checks as lines for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wayra_db.cli._output import BAD, FAINT, WARN, Output

if TYPE_CHECKING:
    from wayra_db.health import Finding

_MARKS = {"error": ("✗", BAD), "warning": ("!", WARN), "info": ("·", FAINT)}


def show_findings(output: Output, findings: Iterable[Finding], *, with_ids: bool = False) -> None:
    """A line each, with what to do; `with_ids` names the check, which `doctor --explain` knows."""
    for finding in findings:
        sign, style = _MARKS[finding.severity]
        step = f"  → {output.pasteable(finding.next_step)}" if finding.next_step else ""
        name = f" [{finding.id}]" if with_ids else ""
        output.line(f"  {output.style(sign, style)} {finding.message}{output.style(name + step, FAINT)}")
