"""`migrate create`: a new file from a template, which needs no database, or from what the declarations say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wayra_db.cli._options import command
from wayra_db.cli._run import Run
from wayra_db.cli.migrate._group import migrate

if TYPE_CHECKING:
    from wayra_db.migrations.autogenerate import DeclaredChanges
    from wayra_db.migrations.scaffold import Kind


@command(
    parent=migrate,
    examples=[
        'wayra-db migrate create --name "add user roles"',
        'wayra-db migrate create --name "add user roles" --batched',
        "wayra-db migrate create --from-declarations",
    ],
)
@click.option("--name", help="What it does, in a few words; --from-declarations finds one by itself.")
@click.option("--async", "is_async", is_flag=True, help="With `async def` and an asynchronous database.")
@click.option("--batched", is_flag=True, help="For many documents: in batches that can be resumed.")
@click.option("--indexes", is_flag=True, help="For building and dropping indexes.")
@click.option("--from-declarations", is_flag=True, help="Write what the database lacks of the declarations.")
def create(run: Run, name: str | None, is_async: bool, batched: bool, indexes: bool, from_declarations: bool) -> None:
    """Write a new migration file.

    Only --from-declarations needs the database, which it reads: the file makes the live collections, validators and
    indexes as declared, and its `down` gives them back as they were.
    """
    if batched and indexes:
        raise click.UsageError("Choose one of --batched and --indexes.")
    if from_declarations:
        if is_async or batched or indexes:
            raise click.UsageError("--from-declarations writes a kind of its own; leave --async, --batched, --indexes.")
        _create_from_declarations(run, name)
        return
    if name is None:
        raise click.UsageError("Say what it does: --name TEXT.")
    kind: Kind = "batched" if batched else "indexes" if indexes else "data"
    path = run.project().migrations.create(name, kind=kind, is_async=is_async)
    run.output.document({"path": str(path)})
    run.output.line(f"Wrote {path}")
    run.output.note("Fill in `up` and `down`, then run `wayra-db migrate`.")


def _create_from_declarations(run: Run, name: str | None) -> None:
    project = run.project()
    changes = project.declared_changes()
    path = None if changes.empty else project.migrations.create_from_declarations(changes, name)
    run.output.document({"path": None if path is None else str(path), "changes": changes.to_dict()})
    if path is None:
        run.output.line("Nothing to do: the database is as declared.")
        return
    run.output.line(f"Wrote {path}")
    for line in _summary(changes):
        run.output.line(f"  {line}")
    if changes.rewrites:
        run.output.note("It stops where you have to decide: search for TO DECIDE.")
    run.output.note("Read it, then run `wayra-db migrate`.")


def _summary(changes: DeclaredChanges) -> list[str]:
    lines = [f"create {one.name}" for one in changes.created]
    lines += [f"change the rules of {one.name}" for one in changes.changed]
    lines += [f"index {one.collection}.{one.name}" for one in changes.indexes]
    lines += [f"to decide: {one.name}, {reason}" for one in changes.rewrites for reason in one.reasons]
    if changes.left_alone:
        lines.append(f"left alone, as it is declared nowhere: {', '.join(changes.left_alone)}")
    return lines
