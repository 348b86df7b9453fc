"""`lock` and its verbs."""

from __future__ import annotations

import click

from wayra_db.cli._options import command, group
from wayra_db.cli._output import FAINT
from wayra_db.cli._run import Run


@group(examples=["wayra-db lock status", "wayra-db lock release --force"])
def lock() -> None:
    """Show who is changing the database, or free a lock by force."""


@command(parent=lock, examples=["wayra-db lock status"])
def status(run: Run) -> None:
    """Show who holds the lock, for what, and until when."""
    from wayra_db.locking import read_state

    output = run.output
    found = read_state(run.project().deployment)
    output.document({"lock": found.to_dict() if found else None})
    if found is None or found.holder is None:
        output.line("The lock is free.")
        return
    ends = f"{found.expires_at:%Y-%m-%d %H:%M:%S} UTC" if found.expires_at else "unknown"
    output.line(f"{found.holder} on {found.host} {'holds' if found.held else 'held'} the lock.")
    lease = "it has ended" if found.expired else ends if found.died else f"{ends}, unless extended"
    output.table(
        [[output.style(label, FAINT), text] for label, text in [("command", found.what), ("lease ends", lease)]]
    )
    if found.died:
        output.line("That process is dead, so nobody holds the lock: the next command takes it at once.")
    elif found.expired:
        output.line("Nobody holds the lock: the next command takes it.")


@command(parent=lock, examples=["wayra-db lock release --force"])
@click.option("--force", is_flag=True, required=True, help="Say that you mean it; without it nothing is done.")
def release(run: Run, force: bool) -> None:
    """Take the lock away from whoever holds it.

    Rarely needed: a dead runner's lock ends by itself within seconds. The holder's transaction is ended, and a holder
    that still lives stops at its next step and can record nothing more. It is written to the audit log.
    """
    if not force:
        raise click.UsageError("Nothing was done: repeat it with --force.")
    held = run.project().release_lock()
    run.output.document({"released": held.to_dict() if held else None})
    run.output.line(f"Released; {held.holder} on {held.host} held it." if held else "The lock was free.")
