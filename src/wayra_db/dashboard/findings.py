"""A status's findings as the page shows them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# The page's kinds, the worst first: a person is needed; a command is; look when there is time; good to know.
KINDS = ("problem", "pending", "warning", "note")
_OF_SEVERITY = {"error": "problem", "warning": "warning", "info": "note"}


def for_page(findings: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Each finding as its kind, message, advice in words, and the command that mends it; the worst first."""
    return sorted(map(_for_page, findings), key=lambda one: KINDS.index(one["kind"]))


def _for_page(finding: Mapping[str, Any]) -> dict[str, str]:
    kind = _OF_SEVERITY[finding["severity"]]
    if finding["pending"] and kind != "problem":
        kind = "pending"
    return {"kind": kind, **{key: finding[key] for key in ("id", "message", "advice", "command")}}


def problems_of(status: Mapping[str, Any]) -> list[str]:
    """What makes a probe fail: the problems of a status that `for_page` has gone over. Pending work is none."""
    return [one["message"] for one in status.get("findings", ()) if one["kind"] == "problem"]
