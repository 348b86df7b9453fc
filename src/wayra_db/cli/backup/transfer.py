"""`backup export` and `backup import`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command
from wayra_db.cli._output import FAINT, WARN, duration, plural, size
from wayra_db.cli._run import Run
from wayra_db.cli.backup._group import backup

if TYPE_CHECKING:
    from wayra_db.backups.transfer import ImportResult
    from wayra_db.backups.transfer.files import Format
    from wayra_db.backups.transfer.readers import TableOptions

FORMATS = click.Choice(["json", "jsonl", "csv", "bson"])


class ExtendedJson(click.ParamType[dict[str, Any]]):
    """A document in Extended JSON, or `@file` that holds one."""

    name = "document"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """The document."""
        from wayra_db.backups.transfer.extjson import TextError, parse

        if isinstance(value, dict):
            return value
        text, where = str(value), ""
        if text.startswith("@"):
            where = f"{text[1:]}: "
            try:
                text = Path(text[1:]).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                self.fail(f"{where}cannot be read: {error}", param, ctx)
        try:
            return parse(text)
        except TextError as error:
            at = f"line {error.line}, column {error.column}: " if error.line else ""
            self.fail(f"""{where}{at}{error.reason}; write it like '{{"isActive": true}}'""", param, ctx)


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The names."""
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(","))
        if not all(names):
            self.fail(f"{value!r} has an empty name between its commas", param, ctx)
        return names


class Columns(click.ParamType[tuple[Any, ...]]):
    """Columns with their types: `age.int32(),zip.string()`."""

    name = "columns"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """The columns."""
        from wayra_db.backups.transfer.table import typed_column

        if isinstance(value, tuple):
            return value
        try:
            return tuple(typed_column(text.strip()) for text in str(value).split("),") for text in [_closed(text)])
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _closed(text: str) -> str:
    return text if text.endswith(")") or "(" not in text else f"{text})"


@command(
    parent=backup,
    examples=[
        "wayra-db backup export users",
        """wayra-db backup export users --query '{"isActive": true}' --limit 1000 --redact""",
        "wayra-db backup export users --fields email,profile.firstName --output users.csv.gz",
        "wayra-db backup export trips --format jsonl --output - | head",
    ],
)
@click.argument("collection")
@click.option("--query", type=ExtendedJson(), help="Only documents that match, in Extended JSON; @FILE reads it.")
@click.option("--sort", type=ExtendedJson(), help="The order, as a document: '{\"email\": 1}'.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N documents.")
@click.option("--fields", type=Names(), metavar="A,B.C", help="Only these fields.")
@click.option("--exclude", type=Names(), metavar="A,B.C", help="All but these fields.")
@click.option("--format", "format_", type=FORMATS, help="Else by the ending of the file; json when there is none.")
@click.option("--canonical/--relaxed", default=False, help="Keep each number's type, or write plain JSON. [relaxed]")
@click.option("--typed-header", is_flag=True, help="Name types in the header of CSV: age.int32().")
@click.option("--pretty", is_flag=True, help="Indent JSON.")
@click.option("--redact", is_flag=True, help="Mask the fields that are declared as sensitive.")
@click.option("--include-sensitive", is_flag=True, help="Permit sensitive fields as they are in production.")
@click.option("--allow-production", is_flag=True, help="Permit it in production.")
@click.option("-o", "--output", metavar="FILE", help="Where to, also .gz or .zst; - is standard output.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def export(
    run: Run,
    collection: str,
    query: Mapping[str, Any] | None,
    sort: Mapping[str, Any] | None,
    limit: int | None,
    fields: tuple[str, ...] | None,
    exclude: tuple[str, ...] | None,
    format_: Format | None,
    canonical: bool,
    typed_header: bool,
    pretty: bool,
    redact: bool,
    include_sensitive: bool,
    allow_production: bool,
    output: str | None,
    force: bool,
) -> None:
    """Write a collection or view into a file.

    Without --output it is <collection>_export.json in the backup folder. Reads only.
    """
    from wayra_db.environment import Action

    permitted = [Action.EXPORT] * allow_production + [Action.EXPORT_SENSITIVE] * include_sensitive
    project = run.project(permitted=permitted)
    project.require_before_connecting(Action.EXPORT)
    to_stdout = output == "-"
    if to_stdout and run.output.as_json:
        raise click.UsageError("--json and --output - both want standard output: leave out one of them.")
    result = project.backups.export_collection(
        collection,
        query=query,
        sort=sort,
        limit=limit or 0,
        fields=fields or (),
        exclude=exclude or (),
        path=sys.stdout.buffer if to_stdout else output,
        format=format_,
        canonical=canonical,
        pretty=pretty,
        typed_header=typed_header,
        redact=redact,
        force=force,
    )
    run.end_progress()
    run.output.document(result.to_dict())
    said = f"Exported {plural(result.documents, 'document')} of {collection}"
    if to_stdout:
        sys.stdout.buffer.flush()
        run.output.note(f"{said}.")
    else:
        masked = ", sensitive fields masked" if result.redacted else ""
        run.output.line(f"{said} to {result.path} ({size(result.bytes)}{masked}).")


@command(
    parent=backup,
    name="import",
    examples=[
        "wayra-db backup import backups/users_export.json",
        "wayra-db backup import users.csv --dry-run",
        "wayra-db backup import users.jsonl.gz --mode upsert --key email",
        "wayra-db backup import backups/users_export.json --clear-existing --yes",
        "cat users.jsonl | wayra-db backup import - --collection users --format jsonl",
    ],
)
@click.argument("file")
@click.option("--collection", metavar="NAME", help="Into which; else the file's name says it.")
@click.option("--format", "format_", type=FORMATS, help="Else by the ending of the file.")
@click.option("--clear-existing", is_flag=True, help="Replace all documents, in one step, once the new are whole.")
@click.option(
    "--mode",
    type=click.Choice(["insert", "upsert", "merge"]),
    default="insert",
    show_default=True,
    help="Of a document that is there: refuse it, replace it, or set its fields.",
)
@click.option(
    "--key", type=Names(), default="_id", show_default=True, metavar="A,B", help="How upsert and merge know it."
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="Import nothing when a document is bad, or what is good.",
)
@click.option("--errors-file", metavar="FILE", help="Where bad documents are listed; else in the backup folder.")
@click.option("--dry-run", is_flag=True, help="Count what would fail and why; import nothing.")
@click.option(
    "--batch-size",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    metavar="N",
    help="Documents at once.",
)
@click.option("--columns-have-types", is_flag=True, help="The header of CSV names types: age.int32().")
@click.option("--types", type=Columns(), metavar="A.TYPE()", help="Types of CSV columns; *.string() for all others.")
@click.option("--allow-production", is_flag=True, help="Permit it in production.")
def import_(
    run: Run,
    file: str,
    collection: str | None,
    format_: Format | None,
    clear_existing: bool,
    mode: Any,
    key: tuple[str, ...],
    on_error: Any,
    errors_file: str | None,
    dry_run: bool,
    batch_size: int,
    columns_have_types: bool,
    types: tuple[Any, ...] | None,
    allow_production: bool,
) -> int:
    """Read a file of documents into a collection; - is standard input.

    All of it or nothing, unless --on-error skip. Exit code 1 when a document is bad.
    """
    from wayra_db.environment import Action

    project = run.project(permitted=[Action.IMPORT] if allow_production else [])
    project.require_before_connecting(Action.IMPORT)
    if file == "-" and (collection is None or format_ is None):
        raise click.UsageError(
            "Standard input says neither its collection nor its format: give --collection and --format."
        )
    if clear_existing and not dry_run:
        name = collection or _collection_of(file)
        run.confirm(f"This replaces all documents of {name} in {project.settings.database_name}.", name)
    result = project.backups.import_collection(
        sys.stdin.buffer if file == "-" else file,
        collection=collection,
        format=format_,
        clear_existing=clear_existing,
        mode=mode,
        key=key,
        on_error=on_error,
        errors_file=errors_file,
        dry_run=dry_run,
        batch_documents=batch_size,
        table=_table(columns_have_types, types),
    )
    run.end_progress()
    run.output.document(result.to_dict())
    _show(run, result)
    return ExitCode.FAILED if result.rejected else ExitCode.OK


def _table(columns_have_types: bool, types: tuple[Any, ...] | None) -> TableOptions:
    from wayra_db.backups.transfer.readers import TableOptions

    return TableOptions(columns_have_types, types or ())


def _collection_of(file: str) -> str:
    from wayra_db.backups.transfer.files import collection_of

    return collection_of(Path(file).name)


def _show(run: Run, result: ImportResult) -> None:
    output = run.output
    verb = "Would import" if result.dry_run else "Imported"
    rate = f", {result.read / result.seconds:,.0f}/s" if result.seconds > 0 else ""
    output.line(
        f"{verb} {result.imported:,} of {plural(result.read, 'document')} into {result.collection} "
        f"({duration(result.seconds)}{rate})."
    )
    for reason, number in sorted(result.reasons.items(), key=lambda item: -item[1]):
        output.line(f"  {output.style(f'{number:,} ×', WARN)} {reason}")
    for one in result.first_rejects[:5]:
        output.line(f"  {output.style(str(one), FAINT)}")
    if result.errors_file is not None:
        output.line(f"  All of them: {result.errors_file}")
