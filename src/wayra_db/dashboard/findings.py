"""A status's findings in the page's own words, whatever words they come in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# The page's kinds, the worst first: a person is needed; a command is; look when there is time; good to know.
KINDS = ("problem", "pending", "warning", "note")
_KINDS = {"error": "problem", "info": "note"}
_PROGRAM = "wayra-db "


def for_page(findings: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Each finding as its kind, message, advice in words, and the command that mends it; the worst first."""
    return sorted(map(_for_page, findings), key=lambda one: KINDS.index(one["kind"]))


def _for_page(finding: Mapping[str, Any]) -> dict[str, str]:
    severity = finding["severity"]
    kind = "pending" if finding.get("pending") and severity != "error" else _KINDS.get(severity, severity)
    advice, command = finding.get("advice") or "", finding.get("command") or ""
    if not command and advice.startswith(_PROGRAM):
        advice, command = "", advice
    return {
        "kind": kind if kind in KINDS else "note",
        "message": finding["message"],
        "advice": advice,
        "command": command,
    }


def problems_of(status: Mapping[str, Any]) -> list[str]:
    """What makes a probe fail: the problems of a status that `for_page` has gone over. Pending work is none."""
    return [one["message"] for one in status.get("findings", ()) if one["kind"] == "problem"]
