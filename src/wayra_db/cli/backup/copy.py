"""`backup copy`."""

from __future__ import annotations

import click

from wayra_db.cli._options import command
from wayra_db.cli._output import plural, size
from wayra_db.cli._run import Run
from wayra_db.cli.backup import _shared
from wayra_db.cli.backup._group import backup


@command(
    parent=backup,
    examples=[
        "wayra-db backup copy nightly s3://bucket/wayra",
        "wayra-db backup copy s3://bucket/wayra/nightly",
        "wayra-db backup copy nightly /mnt/usb/backups",
    ],
)
@click.argument("source", metavar="NAME|ADDRESS")
@click.argument("target", required=False, metavar="[STORE]")
@_shared.endpoint_option
def copy(run: Run, source: str, target: str | None, endpoint_url: str | None) -> None:
    """Copy a backup to another place, or back from it.

    A STORE is s3://bucket/prefix, file:///folder or a folder; without one, the project's own backups. Every file is
    checked against its hash on the way, and the copy is listed once it is whole. A copy that was cut off goes on when
    you run it again. Keys for S3 come from the usual AWS variables and files.
    """
    done = _shared.keeper(run, endpoint_url=endpoint_url).copy(source, target)
    run.end_progress()
    run.output.document(done.to_dict())
    there = f"; {done.skipped} were there already" if done.skipped else ""
    run.output.line(f"Copied {done.name} to {done.target}: {plural(done.files, 'file')}, {size(done.size)}{there}.")
