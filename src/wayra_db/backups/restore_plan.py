"""What a restore will do with each collection, decided before anything is touched. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from wayra_db.backups.live import TEMPORARY, LiveCollection
from wayra_db.backups.manifest import CollectionEntry, Manifest
from wayra_db.backups.policy import EXCLUDED, NOT_ASKED_FOR
from wayra_db.errors import (
    BackupError,
    ConfigError,
    RedactedBackupError,
    RestoreConflictError,
    UnsupportedDeploymentError,
)
from wayra_db.meta import PREFIX

OnConflict = Literal["refuse", "keep", "replace"]
How = Literal["create", "replace", "merge", "drop"]

# The live lock, log and marker are the database's own; a restored one would let a runner in that was fenced out.
NEVER = frozenset({"_wayra_lock", "_wayra_log", "_wayra_meta"})
# What was done to the data: it is true of the data only, and so goes with it.
STATE = frozenset({"_wayra_migrations", "_wayra_seeds", "_wayra_seeded", "_wayra_checkpoints"})


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What was asked for. `collections` are names in the backup, None for all; `rename` maps them to other names.

    `on_conflict` says what becomes of collections with documents where they are not to be replaced as a whole: refuse,
    or merge by _id, where a document that both have is kept or replaced. `recovering` is only for the words of advice.
    """

    drop_existing: bool = False
    collections: tuple[str, ...] | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    on_conflict: OnConflict = "refuse"
    allow_redacted: bool = False
    recovering: bool = False

    def command(self, backup: str) -> str:
        """The command that asks for this, for advice."""
        return "wayra-db recover" if self.recovering else f"wayra-db backup restore {backup}"


@dataclass(frozen=True, slots=True)
class Target:
    """One collection: what becomes of `name`, from which of the backup (None where it is only dropped)."""

    name: str
    how: How
    entry: CollectionEntry | None
    live: LiveCollection | None = None

    @property
    def over_data(self) -> bool:
        """Whether documents of the user that are there now are replaced or changed."""
        return self.live is not None and self.live.documents > 0 and self.name not in STATE


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """Everything that a restore will do, as data. `left_alone` are live collections that the backup does not hold."""

    backup: str
    database: str
    on_conflict: OnConflict
    targets: tuple[Target, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    left_alone: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def over_data(self) -> tuple[str, ...]:
        """The collections whose documents are replaced or changed."""
        return tuple(one.name for one in self.targets if one.over_data)

    @property
    def to_save(self) -> tuple[str, ...]:
        """What a safety backup has to hold: those collections, and the records of what was done to their data."""
        return tuple(one.name for one in self.targets if one.live is not None and one.live.documents)

    @property
    def documents(self) -> int:
        """How many documents the backup has for them."""
        return sum(one.entry.documents for one in self.targets if one.entry)

    @property
    def bytes(self) -> int:
        """Their size as BSON."""
        return sum(one.entry.bytes for one in self.targets if one.entry)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "backup": self.backup,
            "database": self.database,
            "onConflict": self.on_conflict,
            "collections": [
                {
                    "name": one.name,
                    "from": one.entry.name if one.entry else None,
                    "kind": one.entry.kind if one.entry else None,
                    "how": one.how,
                    "documents": one.entry.documents if one.entry else 0,
                    "there": one.live.documents if one.live else None,
                }
                for one in self.targets
            ],
            "skipped": [{"name": name, "reason": reason} for name, reason in self.skipped],
            "leftAlone": list(self.left_alone),
            "warnings": list(self.warnings),
        }


def plan_restore(
    request: RestoreRequest,
    *,
    backup: str,
    database: str,
    environment: str,
    manifest: Manifest | None,
    entries: Sequence[CollectionEntry],
    live: Mapping[str, LiveCollection],
    masked: Collection[str] = (),
    sharded_cluster: bool = False,
) -> RestorePlan:
    """The plan for a request on a database as it is. Raises ConfigError for names that do not fit, RestoreConflictError
    for data in the way, RedactedBackupError, and UnsupportedDeploymentError on a sharded cluster. `masked` are live
    collections whose sensitive values a redacted backup has replaced before.
    """
    if request.drop_existing and request.on_conflict != "refuse":
        raise ConfigError(
            "data is either dropped or merged", key="on_conflict", hint="Leave out --drop-existing or --on-conflict."
        )
    chosen = _chosen(request, backup, entries)
    users_data = any(one.documents for one in live.values() if not one.name.startswith(PREFIX))
    whole = request.collections is None and not request.rename and (request.drop_existing or not users_data)
    targets: list[Target] = []
    skipped: list[tuple[str, str]] = []
    for entry in chosen:
        name = request.rename.get(entry.name, entry.name)
        there = live.get(name)
        if entry.name in NEVER or name in NEVER:
            skipped.append((entry.name, "the database keeps its own"))
        elif name.startswith(TEMPORARY):
            skipped.append((entry.name, "it was left by a restore that was cut off"))
        elif name in STATE and not whole and request.collections is None and there is not None and there.documents:
            skipped.append((entry.name, "what was done to the data that stays is still true"))
        else:
            targets.append(_target(request, entry, name, there))
    targets += _forgotten(whole and request.drop_existing and not _is_partial(manifest), targets, live)
    targets.sort(key=lambda one: one.entry is not None and one.entry.kind == "view")  # after their sources
    plan = RestorePlan(
        backup=backup,
        database=database,
        on_conflict=request.on_conflict,
        targets=tuple(targets),
        skipped=tuple(skipped),
        left_alone=tuple(sorted(name for name in live if not name.startswith(PREFIX) and not _hit(name, targets))),
        warnings=tuple(_warnings(request, environment, manifest, targets, live)),
    )
    _require_no_conflict(request, plan)
    _require_not_redacted(request, manifest, plan, masked)
    if sharded_cluster:
        _require_unsharded(plan)
    return plan


def view_order(targets: Sequence[Target]) -> list[Target]:
    """Views so that each comes after the one that it looks at; the others in front, in their order."""
    views = {one.name: one for one in targets if one.entry is not None and one.entry.kind == "view"}
    ordered = [one for one in targets if one.name not in views]
    done: set[str] = set()

    def add(target: Target, under_way: frozenset[str]) -> None:
        if target.name in done or target.name in under_way:
            return
        source = views.get(str(target.entry.options.get("viewOn"))) if target.entry else None
        if source is not None:
            add(source, under_way | {target.name})
        done.add(target.name)
        ordered.append(target)

    for view in views.values():
        add(view, frozenset())
    return ordered


def _chosen(request: RestoreRequest, backup: str, entries: Sequence[CollectionEntry]) -> list[CollectionEntry]:
    known = {one.name: one for one in entries}
    named = [*(request.collections or ()), *request.rename]
    for name in named:
        if name not in known:
            raise BackupError(
                f"the backup {backup} holds no collection {name}", hint=f"It holds: {', '.join(sorted(known))}."
            )
    chosen = [one for one in entries if request.collections is None or one.name in request.collections]
    names = [request.rename.get(one.name, one.name) for one in chosen]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"two collections would become {twice}", key="rename", hint="Give each a name of its own.")
    for old, new in request.rename.items():
        if not new or new.startswith(("system.", PREFIX)) or "$" in new or "\0" in new:
            raise ConfigError(f"{old} cannot be renamed to {new!r}", key="rename", hint="Choose a plain name.")
    return chosen


def _target(request: RestoreRequest, entry: CollectionEntry, name: str, live: LiveCollection | None) -> Target:
    if live is None:
        return Target(name, "create", entry)
    if request.drop_existing or live.documents == 0 or name in STATE:
        return Target(name, "replace", entry, live)
    return Target(name, "merge", entry, live)


def _forgotten(applies: bool, targets: Sequence[Target], live: Mapping[str, LiveCollection]) -> list[Target]:
    """The records of what was done to data that is replaced as a whole by a backup which has no such records."""
    given = {one.name for one in targets}
    return [
        Target(name, "drop", None, live[name])
        for name in sorted(STATE)
        if applies and name not in given and name in live and live[name].documents
    ]


def _is_partial(manifest: Manifest | None) -> bool:
    """Whether collections were left out because somebody wanted it so: then what it does not hold says nothing."""
    return manifest is not None and any(one.reason in (NOT_ASKED_FOR, EXCLUDED) for one in manifest.left_out)


def _hit(name: str, targets: Sequence[Target]) -> bool:
    return any(one.name == name for one in targets)


def _warnings(
    request: RestoreRequest,
    environment: str,
    manifest: Manifest | None,
    targets: Sequence[Target],
    live: Mapping[str, LiveCollection],
) -> list[str]:
    found = []
    if manifest is not None and manifest.source.environment not in ("", environment):
        private = "" if manifest.redacted else ", and nothing was masked in it"
        found.append(f"the backup is one of {manifest.source.environment}{private}; the database stays {environment}")
    if manifest is not None and manifest.consistency.kind == "none":
        why = f": {manifest.consistency.note}" if manifest.consistency.note else ""
        found.append(f"the backup's collections are not all of one moment{why}")
    if apart := [one.name for one in targets if manifest and one.entry and one.entry.name in manifest.apart]:
        found.append(f"{', '.join(apart)}: of a time of its own, while the rest of the backup is of one moment")
    if request.drop_existing and manifest is not None and request.collections is None:
        excluded = [one.name for one in manifest.left_out if one.reason == EXCLUDED and one.name in live]
        if excluded:
            found.append(f"{', '.join(excluded)}: left out of the backup, and so of a time of their own afterwards")
    series = [one.name for one in targets if one.live is not None and _is_timeseries(one)]
    if series:
        found.append(
            f"{', '.join(series)}: a time series cannot be swapped in; it is missing or incomplete for a moment"
        )
    expiring = [one.name for one in targets if one.entry and any("expireAfterSeconds" in i for i in one.entry.indexes)]
    if expiring:
        found.append(f"{', '.join(expiring)}: the server deletes documents that have expired meanwhile")
    if any(one.how == "drop" for one in targets):
        found.append(
            "the backup knows of no migrations, so the database's record of them goes: record what the data has "
            "with `wayra-db migrate baseline`"
        )
    renamed = [one.name for one in targets if one.entry and one.entry.options.get("viewOn") in request.rename]
    if renamed:
        found.append(f"{', '.join(renamed)}: these views look at the old names of what was renamed")
    return found


def _is_timeseries(target: Target) -> bool:
    return (target.entry is not None and target.entry.kind == "timeseries") or (
        target.live is not None and target.live.kind == "timeseries"
    )


def _require_no_conflict(request: RestoreRequest, plan: RestorePlan) -> None:
    merged = [one for one in plan.targets if one.how == "merge"]
    if merged and request.on_conflict == "refuse":
        names = [one.name for one in merged]
        raise RestoreConflictError(
            f"{plan.database} holds documents in {', '.join(names)}; nothing was changed",
            collections=names,
            hint="Replace them as a whole with --drop-existing, merge by _id with --on-conflict keep or replace, or "
            "restore into another database with --to.",
        )
    # Documents of these kinds have no _id to merge by, or no place of their own to change.
    fixed = [
        one.name
        for one in merged
        if _is_timeseries(one)
        or (one.entry is not None and one.entry.kind == "view")
        or (one.live is not None and bool(one.live.options.get("capped")))
    ]
    if fixed:
        raise RestoreConflictError(
            f"{', '.join(fixed)}: time series, capped collections and views cannot be merged; nothing was changed",
            collections=fixed,
            hint="Leave them out with --collections, or replace them with --drop-existing.",
        )


def _require_not_redacted(
    request: RestoreRequest, manifest: Manifest | None, plan: RestorePlan, masked: Collection[str]
) -> None:
    if manifest is None or not manifest.redacted or request.allow_redacted:
        return
    keeps = request.on_conflict == "keep"
    lost = [
        one.name
        for one in plan.targets
        if one.over_data
        and one.name not in masked
        and not (keeps and one.how == "merge")
        and (not manifest.redactions or (one.entry is not None and one.entry.name in manifest.redactions))
    ]
    if lost:
        raise RedactedBackupError(
            f"the backup {plan.backup} lacks the sensitive fields of {', '.join(lost)}, which are there now; nothing "
            "was changed",
            hint=f"Restore it into another database: wayra-db backup restore {plan.backup} --to DATABASE; or give the "
            f"fields up: {request.command(plan.backup)} --allow-redacted.",
        )


def _require_unsharded(plan: RestorePlan) -> None:
    """On a sharded cluster only what replaces nothing: there is no swap by rename for sharded collections."""
    taken = [one.name for one in plan.targets if one.over_data or (one.live is not None and one.live.sharded)]
    if taken:
        raise UnsupportedDeploymentError(
            f"{', '.join(taken)}: on a sharded cluster a restore replaces nothing; nothing was changed",
            needs="collections that do not exist, or are empty and not sharded",
            found="a sharded cluster with data in them",
            hint=f"Restore into another database, shard the collections there, and switch over to it: wayra-db backup "
            f"restore {plan.backup} --to DATABASE.",
        )
