"""`backup create` and `backup clone`: a consistent copy, in a folder or in another database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import FAINT, GOOD, STRONG, WARN, duration, plural, size
from wayra_db.cli._run import Run
from wayra_db.cli.backup._group import backup

if TYPE_CHECKING:
    from wayra_db.backups.create import BackupResult
    from wayra_db.backups.manifest import Consistency

CODECS = ["zstd", "gzip", "none"]
TARGET_VARIABLE = "WAYRA_CLONE_TO_URI"


@command(
    parent=backup,
    examples=[
        "wayra-db backup create",
        "wayra-db backup create --name pre_deployment_backup",
        "wayra-db backup create --collections users,trips --codec gzip",
        "wayra-db backup create --include-sensitive --encrypt-to recipients.txt",
        "wayra-db --env production backup create --allow-production",
    ],
)
@click.option("--name", metavar="NAME", help="The backup's name; otherwise the database's with the time.")
@click.option("--collections", multiple=True, metavar="NAMES", help="Only these, separated by commas; repeatable.")
@click.option("--exclude", multiple=True, metavar="NAMES", help="All but these, separated by commas; repeatable.")
@click.option("--include-sensitive", is_flag=True, help="Keep the fields that are declared sensitive.")
@click.option("--encrypt-to", multiple=True, metavar="RECIPIENT", help="age1..., or a file of recipients; repeatable.")
@click.option("--plaintext", is_flag=True, help="Do not encrypt; with --include-sensitive not in production.")
@click.option("--codec", type=click.Choice(CODECS), help="How it is compressed; otherwise backups.codec.")
@click.option("--level", type=int, metavar="N", help="How hard it is compressed: zstd 1 to 19, gzip 0 to 3.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="How many cursors read side by side.")
@click.option("--allow-production", is_flag=True, help="Permit it in production, where the settings permit it too.")
def create(
    run: Run,
    name: str | None,
    collections: tuple[str, ...],
    exclude: tuple[str, ...],
    include_sensitive: bool,
    encrypt_to: tuple[str, ...],
    plaintext: bool,
    codec: str | None,
    level: int | None,
    jobs: int | None,
    allow_production: bool,
) -> None:
    """Back up the database, all collections as of one moment, into the project's backup folder.

    Sensitive fields, as the collections declare them, are left out or replaced on the server. A backup that keeps them
    is encrypted to age recipients, or outside production plaintext. Only reads; takes no lock.
    """
    from wayra_db.environment import Action

    project = run.project(permitted={Action.BACKUP_CREATE} if allow_production else ())
    project.require_before_connecting(Action.BACKUP_CREATE)
    result = project.backups.create(
        name,
        collections=_names(collections) or None,
        exclude=_names(exclude),
        include_sensitive=include_sensitive,
        plaintext=plaintext,
        recipients=encrypt_to,
        codec=codec,  # type: ignore[arg-type]  # one of CODECS
        level=level,
        jobs=jobs,
    )
    run.output.document(result.to_dict())
    run.end_progress()
    _show(run, result)


def _show(run: Run, result: BackupResult) -> None:
    output, made = run.output, result.manifest
    output.line(f"{output.style('Made', GOOD)} {output.style(made.name, STRONG)} in {duration(result.seconds)}.")
    ratio = f", {result.bytes / result.size:.1f} to 1" if result.size and made.codec != "none" else ""
    kept = f"{size(result.size)} of files for {size(result.bytes)} of documents{ratio}"
    views = sum(one.kind == "view" for one in made.collections)
    counted = plural(len(made.collections) - views, "collection") + (f" and {plural(views, 'view')}" if views else "")
    rows = [
        ["holds", f"{plural(made.documents, 'document')} in {counted}"],
        ["size", kept],
        ["consistency", _consistency(made.consistency)],
        ["encrypted", f"to {plural(len(made.recipients), 'recipient')}" if made.encrypted else "no"],
        ["lies in", str(result.path)],
    ]
    if made.redactions:
        fields = sum(len(paths) for paths in made.redactions.values())
        text = f"{plural(fields, 'sensitive field')} of {', '.join(made.redactions)}: not in this backup"
        rows.append(["redacted", output.style(text, WARN)])
    output.table(rows)
    for one in made.left_out:
        output.line(output.style(f"  left out     {one.name}: {one.reason}", FAINT))
    if made.redacted:
        output.note("A backup that brings the sensitive fields back: --include-sensitive --encrypt-to age1...")


def _consistency(found: Consistency) -> str:
    words = {
        "snapshot": "all collections as of one moment",
        "oplog": "one moment, with the oplog slice that is in it",
        "none": "each collection as of its own time",
    }[found.kind]
    return f"{words}; {found.note}" if found.note else words


@command(
    parent=backup,
    examples=[
        "wayra-db backup clone --to-uri mongodb://localhost:27017 --to-database shop_copy --redact",
        f"{TARGET_VARIABLE}=mongodb://... wayra-db --env production backup clone --redact --allow-production",
    ],
)
@click.option("--to-uri", metavar="URI", help=f"Where the copy goes. [{TARGET_VARIABLE}]")
@click.option("--to-database", metavar="NAME", help="The database there; otherwise the URI's, or the same name.")
@click.option("--collections", multiple=True, metavar="NAMES", help="Only these, separated by commas; repeatable.")
@click.option("--exclude", multiple=True, metavar="NAMES", help="All but these, separated by commas; repeatable.")
@click.option("--redact", is_flag=True, help="Leave out the fields that are declared sensitive.")
@click.option("--include-sensitive", is_flag=True, help="Copy them from production, too.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="How many cursors read side by side.")
@click.option("--allow-production", is_flag=True, help="Permit it in production, where the settings permit it too.")
def clone(
    run: Run,
    to_uri: str | None,
    to_database: str | None,
    collections: tuple[str, ...],
    exclude: tuple[str, ...],
    redact: bool,
    include_sensitive: bool,
    jobs: int | None,
    allow_production: bool,
) -> None:
    """Copy the database into an empty one, here or elsewhere, with no file between.

    All collections as of one moment, with their options and indexes. The copy belongs to the environment of the
    original until `environment set` says otherwise. A password is better given by the variable than by the flag.
    """
    from wayra_db.environment import Action

    if redact and include_sensitive:
        raise click.UsageError("Either --redact or --include-sensitive.")
    uri = to_uri or run.environ.get(TARGET_VARIABLE)
    if not uri:
        raise click.UsageError(f"Say where the copy goes: --to-uri, or the variable {TARGET_VARIABLE}.")
    project = run.project(permitted={Action.BACKUP_CREATE} if allow_production else ())
    project.require_before_connecting(Action.BACKUP_CREATE)
    result = project.backups.clone(
        uri,
        to_database=to_database,
        collections=_names(collections) or None,
        exclude=_names(exclude),
        redact=redact,
        include_sensitive=include_sensitive,
        jobs=jobs,
    )
    run.output.document(result.to_dict())
    run.end_progress()
    run.output.line(
        f"{run.output.style('Copied', GOOD)} {plural(len(result.collections), 'collection')}, {size(result.bytes)}, to "
        f"{result.database} at {result.address} in {duration(result.seconds)}."
    )
    run.output.line(f"  consistency  {_consistency(result.consistency)}")
    for one in result.left_out:
        run.output.line(run.output.style(f"  left out     {one.name}: {one.reason}", FAINT))


def _names(given: tuple[str, ...]) -> list[str]:
    """Names that may stand one by one or separated by commas."""
    return [name.strip() for text in given for name in text.split(",") if name.strip()]
