"""`backup list`, `show`, `pin`, `unpin`, `prune` and `delete`: none of them needs a database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, STRONG, Output, plural, size
from wayra_db.cli._run import Run
from wayra_db.cli.backup import _shared
from wayra_db.cli.backup._group import backup

if TYPE_CHECKING:
    from wayra_db.backups import BackupEntry
    from wayra_db.backups.keeper import Pruned
    from wayra_db.backups.manifest import Manifest
    from wayra_db.backups.retention import RetentionPlan


@command(
    parent=backup,
    name="list",
    examples=["wayra-db backup list", "wayra-db backup list --json", "wayra-db backup list s3://bucket/wayra"],
)
@click.argument("address", required=False, metavar="[STORE]")
@_shared.endpoint_option
def list_(run: Run, address: str | None, endpoint_url: str | None) -> None:
    """List the backups of the project, or of a store, the newest first."""
    keeper = _shared.keeper(run, endpoint_url=endpoint_url)
    entries = keeper.list(address)
    leftovers = keeper.leftovers() if address is None else ()
    output = run.output
    output.document({"backups": [entry.to_dict() for entry in entries], "leftovers": list(leftovers)})
    if not entries:
        output.line("There are no backups yet." if address is None else f"There are no backups in {address}.")
    else:
        heads = ["name", "made (UTC)", "size", "documents", "consistency", ""]
        rows = [[output.style(head, FAINT) for head in heads], *(_row(output, entry) for entry in entries)]
        output.table(rows, right=(2, 3), indent=0)
    if leftovers:
        output.note(
            f"{plural(len(leftovers), 'folder')} of runs that were cut off or still go on: {', '.join(leftovers)}. "
            "`backup prune` removes those a day old."
        )


def _row(output: Output, entry: BackupEntry) -> list[str]:
    manifest = entry.manifest
    words = ", ".join(_shared.state(entry)) if entry.kind == "backup" else entry.kind
    return [
        entry.name,
        f"{entry.modified_at:%Y-%m-%d %H:%M}",
        size(entry.size),
        f"{manifest.documents:,}" if manifest else "",
        _consistency(manifest) if manifest else "",
        output.style(words, BAD) if entry.damaged else words,
    ]


def _consistency(manifest: Manifest) -> str:
    apart = f", not {', '.join(manifest.apart)}" if manifest.apart else ""
    return f"{manifest.consistency.kind}{apart}"


@command(parent=backup, examples=["wayra-db backup show nightly", "wayra-db backup show s3://bucket/wayra/nightly"])
@click.argument("name", metavar="NAME|ADDRESS")
@_shared.endpoint_option
def show(run: Run, name: str, endpoint_url: str | None) -> None:
    """Show what a backup says of itself: where it is from, how consistent it is, and what is in it."""
    entry = _shared.keeper(run, endpoint_url=endpoint_url).show(name)
    output, manifest = run.output, entry.manifest
    output.document({**entry.to_dict(), "manifest": manifest.to_dict() if manifest else None})
    output.line(output.style(entry.name, STRONG))
    if manifest is None:
        facts = [("kind", entry.kind), ("size", size(entry.size)), ("newest file", f"{entry.modified_at:%F %T} UTC")]
        if entry.problem:
            facts.append(("problem", output.style(entry.problem, BAD)))
    else:
        facts = _facts(entry, manifest)
    output.table([[output.style(label, FAINT), text] for label, text in facts if text])
    if manifest is not None and manifest.collections:
        output.line()
        heads = ["collection", "kind", "documents", "data", "indexes"]
        rows = [
            [one.name, one.kind, f"{one.documents:,}", size(one.bytes), str(len(one.indexes))]
            for one in manifest.collections
        ]
        output.table([[output.style(head, FAINT) for head in heads], *rows], right=(2, 3, 4))


def _facts(entry: BackupEntry, manifest: Manifest) -> list[tuple[str, str]]:
    source, consistency = manifest.source, manifest.consistency
    kinds = {
        "snapshot": "all collections at one moment",
        "oplog": "a slice of the oplog brings all collections to one moment",
        "none": "each collection at a moment of its own",
    }
    checked = "never"
    if entry.verified is not None:
        how = {"hashes": "the hashes", "structure": "hashes and structure", "deep": "by restoring it"}
        result = how[entry.verified.kind] if entry.verified.ok else "it is damaged"
        checked = f"{entry.verified.at:%F %T} UTC: {result}"
    packed = manifest.codec + (f", level {manifest.level}" if manifest.level is not None else "")
    left_out = ", ".join(f"{one.name} ({one.reason})" for one in manifest.left_out)
    redactions = ", ".join(f"{name}.{path}" for name, paths in manifest.redactions.items() for path in paths)
    return [
        ("made", f"{manifest.created_at:%F %T} UTC by wayra-db {manifest.tool_version}, {manifest.reason}"),
        ("from", f"{source.database} on {source.address}, {source.environment}"),
        ("server", f"MongoDB {source.server_version}, {source.topology}"),
        ("consistency", kinds[consistency.kind] + (f"; {consistency.note}" if consistency.note else "")),
        ("documents", f"{manifest.documents:,} in {plural(len(manifest.collections), 'collection')}"),
        ("size", f"{size(entry.size)}, {packed}"),
        ("encrypted", f"to {plural(len(manifest.recipients), 'recipient')}" if manifest.encrypted else "no"),
        ("redacted", redactions or ("yes" if manifest.redacted else "no")),
        ("migrations", f"up to version {max(manifest.applied)}" if manifest.applied else "none"),
        ("left out", left_out),
        ("verified", checked),
        ("pinned", "yes" if entry.pinned else ""),
        ("id", manifest.id),
    ]


@command(parent=backup, examples=["wayra-db backup pin before_launch"])
@click.argument("name")
def pin(run: Run, name: str) -> None:
    """Keep a backup from being pruned or deleted."""
    entry = _shared.keeper(run).pin(name)
    run.output.document(entry.to_dict())
    run.output.line(f"{name} is pinned.")


@command(parent=backup, examples=["wayra-db backup unpin before_launch"])
@click.argument("name")
def unpin(run: Run, name: str) -> None:
    """Let a backup be pruned and deleted again."""
    entry = _shared.keeper(run).pin(name, pinned=False)
    run.output.document(entry.to_dict())
    run.output.line(f"{name} is not pinned.")


def _count(name: str, help: str) -> Callable[[_shared.F], _shared.F]:
    return click.option(f"--keep-{name}", type=click.IntRange(min=0), metavar="N", help=help)


@command(
    parent=backup,
    examples=[
        "wayra-db backup prune --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run",
        "wayra-db backup prune --keep-last 10 --keep-within 30d --yes",
        "wayra-db backup prune",
    ],
)
@_count("last", "The newest N.")
@_count("daily", "The newest of each of N days.")
@_count("weekly", "The newest of each of N weeks.")
@_count("monthly", "The newest of each of N months.")
@_count("yearly", "The newest of each of N years.")
@click.option("--keep-within", metavar="TIME", help="All younger than the newest by no more: 12h, 30d, 8w, 6m, 1y.")
@_count("automatic", "Of those made before a reset, restore or migration, the newest N (5).")
@click.option("--dry-run", is_flag=True, help="Show the plan and remove nothing.")
@_shared.production_option
def prune(run: Run, dry_run: bool, allow_production: bool, **chosen: Any) -> None:
    """Remove backups that no rule keeps; shows the plan and asks first.

    The rules are these options, or the settings in [backups.retention]; an option here puts all settings but that of
    automatic ones out of force. Without a rule, backups made by hand all stay. Never removed: the newest, the newest
    verified, pinned and damaged ones, and what wayra-db has not made.
    """
    keeper = _shared.keeper(run, allow_production=allow_production)
    plan = keeper.plan_prune(_rules(keeper.rules, chosen))
    _show_plan(run.output, plan)
    if dry_run:
        run.output.document({**plan.to_dict(), "removed": [], "leftovers": []})
        run.output.line("Nothing was removed.")
        return
    if plan.remove:
        run.confirm(f"This removes {plural(len(plan.remove), 'backup')} for good.", str(len(plan.remove)))
    done = keeper.prune(plan)
    run.output.document({**plan.to_dict(), **done.to_dict()})
    _show_removed(run.output, done)


def _rules(settings: Any, chosen: dict[str, Any]) -> Any:
    from wayra_db.settings.model import KeepRules
    from wayra_db.settings.options import period

    given = {name.removeprefix("keep_"): value for name, value in chosen.items() if value is not None}
    if "within" in given:
        try:
            period(given["within"])
        except ValueError as error:
            raise click.UsageError(f"--keep-within {error}.") from None
    automatic = given.pop("automatic", settings.automatic)
    return KeepRules(**given, automatic=automatic) if given else replace(settings, automatic=automatic)


def _show_plan(output: Output, plan: RetentionPlan) -> None:
    rows = [(one.entry, "keep", ", ".join(one.reasons)) for one in plan.keep]
    rows += [(entry, "remove", size(entry.size)) for entry in plan.remove]
    rows.sort(key=lambda row: (row[0].modified_at, row[0].name), reverse=True)
    output.table(
        [
            [
                output.style(word, BAD if word == "remove" else FAINT),
                entry.name,
                f"{entry.modified_at:%Y-%m-%d %H:%M}",
                output.style(why, FAINT),
            ]
            for entry, word, why in rows
        ]
    )


@command(
    parent=backup,
    examples=["wayra-db backup delete nightly", "wayra-db backup delete s3://bucket/wayra/nightly --yes"],
)
@click.argument("names", nargs=-1, required=True, metavar="NAME|ADDRESS...")
@_shared.production_option
@_shared.endpoint_option
def delete(run: Run, names: tuple[str, ...], allow_production: bool, endpoint_url: str | None) -> None:
    """Delete backups for good; asks for the name first, and refuses pinned ones."""
    keeper = _shared.keeper(run, allow_production=allow_production, endpoint_url=endpoint_url)
    entries = [keeper.show(name) for name in names]
    expected = entries[0].name if len(entries) == 1 else str(len(entries))
    run.confirm(f"This deletes {', '.join(names)} for good.", expected)
    done = keeper.delete(names)
    run.output.document(done.to_dict())
    _show_removed(run.output, done)


def _show_removed(output: Output, done: Pruned) -> None:
    for name in done.removed:
        output.line(f"  removed {name}")
    for name in done.leftovers:
        output.line(f"  removed {name}, left by a run that was cut off")
    freed = f", {size(done.freed)}" if done.removed else ""
    output.line(f"Removed {plural(len(done.removed), 'backup')}{freed}." if done.removed else "No backup was removed.")
