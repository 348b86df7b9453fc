"""What a check has found, as one value for every reader: terminal, JSON, pages, maintenance. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
ORDER: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth knowing. An `error` wants a person now, a `warning` before long, an `info` neither.

    `id` names the check (`wayra-db doctor --explain ID`). `evidence` is plain data and holds no value of a document.
    `advice` is a sentence, `command` what mends it, where one command does. `pending` marks work that only waits for
    its command: it makes `status --check` end with 3, as errors do.
    """

    id: str
    severity: Severity
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""
    command: str = ""
    pending: bool = False

    @property
    def next_step(self) -> str:
        """The advice and the command in one line."""
        if self.advice and self.command:
            return f"{self.advice.rstrip('.')}: {self.command}"
        return self.advice or self.command

    @property
    def stands_in_the_way(self) -> bool:
        """Whether the database is not ready because of it."""
        return self.severity == "error" or self.pending

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "id": self.id,
            "severity": self.severity,
            "message": self.message,
            "evidence": dict(self.evidence),
            "advice": self.advice,
            "command": self.command,
            "pending": self.pending,
        }


def found(
    severity: Severity,
    message: str,
    *,
    evidence: Mapping[str, Any] | None = None,
    advice: str = "",
    command: str = "",
    pending: bool = False,
) -> Finding:
    """A finding whose check will be named by whoever runs it."""
    return Finding("", severity, message, evidence or {}, advice, command, pending)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first, pending work before other warnings, and else as they came."""
    return tuple(sorted(findings, key=lambda one: (ORDER.index(one.severity), not one.pending)))
