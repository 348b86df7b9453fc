"""Which backups to keep: a plan from a list of backups and rules. Pure.

Backups are compared only with their like: of the same database and environment, made by hand or by the tool before
something risky, whole or redacted, with the same collections left out. So neither many safety backups nor backups of
one collection push a whole one out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from wayra_db.backups.catalog import BackupEntry
from wayra_db.settings.model import KeepRules
from wayra_db.settings.options import period

_Group = tuple[str, str, bool, bool, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup that stays, and every reason for it."""

    entry: BackupEntry
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What a prune removes and keeps, each newest first."""

    keep: tuple[Kept, ...]
    remove: tuple[BackupEntry, ...]

    @property
    def freed(self) -> int:
        """The bytes of what is removed."""
        return sum(entry.size for entry in self.remove)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "keep": [{"name": one.entry.name, "reasons": list(one.reasons)} for one in self.keep],
            "remove": [one.name for one in self.remove],
            "freed": self.freed,
        }


# Each rule: the setting's name, what its reason is called, and the span of a time of which the newest backup is kept.
_SPANS: Sequence[tuple[str, str, Callable[[datetime], str]]] = (
    ("daily", "day", lambda at: f"{at:%Y-%m-%d}"),
    ("weekly", "week", lambda at: f"{at:%G-W%V}"),
    ("monthly", "month", lambda at: f"{at:%Y-%m}"),
    ("yearly", "year", lambda at: f"{at:%Y}"),
)


def plan_retention(entries: Iterable[BackupEntry], rules: KeepRules) -> RetentionPlan:
    """What to keep and what to remove.

    Never removed: what is pinned, what wayra-db has not made, what is damaged (a person has to look at it, and it takes
    no sound one's place), and of each kind the newest and the newest verified; so the only one stays, too. Where only
    the hashes of a newer one are verified, as of an encrypted one without its identity, that stays as well.
    """
    reasons: dict[str, list[str]] = {}
    sound: list[BackupEntry] = []
    everything = sorted(entries, key=lambda entry: (entry.modified_at, entry.name), reverse=True)
    for entry in everything:
        found = reasons.setdefault(entry.name, [])
        if entry.pinned:
            found.append("pinned")
        if entry.damaged:
            found.append("damaged: look at it, and delete it yourself")
        elif entry.manifest is None:
            found.append(f"a {entry.kind} that wayra-db has not made")
        else:
            sound.append(entry)
    for _, group in groupby(sorted(sound, key=_group), key=_group):
        _apply(list(group), rules, reasons)
    return RetentionPlan(
        tuple(Kept(entry, tuple(reasons[entry.name])) for entry in everything if reasons[entry.name]),
        tuple(entry for entry in everything if not reasons[entry.name]),
    )


def _apply(group: list[BackupEntry], rules: KeepRules, reasons: dict[str, list[str]]) -> None:
    """Add the reasons to keep backups of one kind, which come newest first."""
    newest, hashes = group[0], ""
    reasons[newest.name].append("the newest")
    for entry in group:
        if entry.verified is not None and entry.verified.in_depth:
            reasons[entry.name].append("the newest verified")
            break
        if entry.verified is not None and not hashes:
            hashes = entry.name
            reasons[entry.name].append("the newest whose hashes are verified")
    if _is_automatic(newest):
        for number, entry in enumerate(group[: rules.automatic], 1):
            reasons[entry.name].append(f"automatic {number} of {rules.automatic}")
        return
    if not rules.any:
        for entry in group:
            reasons[entry.name].append("no rule speaks of it")
        return
    for number, entry in enumerate(group[: rules.last or 0], 1):
        reasons[entry.name].append(f"last {number} of {rules.last}")
    for name, word, span in _SPANS:
        seen: set[str] = set()
        for entry in group:
            if len(seen) == (getattr(rules, name) or 0):
                break
            if (key := span(entry.modified_at)) not in seen:
                seen.add(key)
                reasons[entry.name].append(f"{word} {key}")
    if rules.within is not None:
        # Measured from the newest, not from now: where backups have stopped being made, none gets too old.
        for entry in group:
            if newest.modified_at - entry.modified_at <= period(rules.within):
                reasons[entry.name].append(f"within {rules.within}")


def _is_automatic(entry: BackupEntry) -> bool:
    return entry.manifest is not None and entry.manifest.reason != "manual"


def _group(entry: BackupEntry) -> _Group:
    """What makes backups comparable."""
    if entry.manifest is None:
        raise ValueError(f"{entry.name} has no manifest")
    manifest = entry.manifest
    left_out = tuple(sorted(one.name for one in manifest.left_out))
    return (
        manifest.source.database,
        manifest.source.environment,
        _is_automatic(entry),
        manifest.redacted,
        left_out,
    )
