"""`server` and its verbs: the embedded MongoDB of a project."""

from __future__ import annotations

import click

from wayra_db.cli._options import command, group
from wayra_db.cli._output import FAINT, size
from wayra_db.cli._run import Run


@group(examples=["wayra-db server start", "wayra-db server status", "wayra-db server stop"])
def server() -> None:
    """Start, stop and look at the project's own MongoDB.

    Development and test use it when no URI is set.
    """


@command(parent=server, examples=["wayra-db server start"])
def start(run: Run) -> None:
    """Start the embedded server, if it does not run, and print its URI."""
    from wayra_db.environment import Action

    project = run.project()
    project.require_before_connecting(Action.EMBEDDED_SERVER)
    with project.server.acquire() as lease:
        run.output.document({"started": lease.started, "uri": lease.uri, "version": lease.version})
        run.output.note("It is stopped when nobody has used it for a while; see `wayra-db server status`.")
        run.output.line(lease.uri)


@command(parent=server, examples=["wayra-db server stop"])
def stop(run: Run) -> None:
    """Stop the embedded server; its data stays."""
    stopped = run.project().server.stop()
    run.output.document({"stopped": stopped})
    run.output.line("Stopped." if stopped else "It was not running.")


@command(parent=server, examples=["wayra-db server status", "wayra-db server status --json"])
def status(run: Run) -> None:
    """Show whether the embedded server runs, where, and how large its data is."""
    found = run.project().server.status()
    output = run.output
    output.document(found.to_dict())
    output.line(f"The embedded MongoDB is {'running' if found.running else 'not running'}.")
    idle = "never for idleness" if not found.idle_seconds else f"after {found.idle_seconds:g} s without use"
    facts = [
        ("version", found.version),
        ("pid", found.pid),
        ("URI", found.tcp_uri or found.uri),
        ("since", f"{found.started_at:%Y-%m-%d %H:%M:%S %Z}" if found.started_at else None),
        ("stops", idle if found.running else None),
        ("data", f"{found.data_dir} ({size(found.data_bytes)})" if found.data_dir else None),
        ("log", found.log_path if found.data_dir else None),
        ("binary", found.binary),
    ]
    output.table([[output.style(label, FAINT), str(value)] for label, value in facts if value is not None])


@command(parent=server, examples=["wayra-db server logs", "wayra-db server logs --lines 200"])
@click.option("--lines", type=click.IntRange(min=1), default=50, show_default=True, help="How many of the last lines.")
def logs(run: Run, lines: int) -> None:
    """Print the last lines of the embedded server's log."""
    tail = run.project().server.log_tail(lines)
    run.output.document({"lines": tail.splitlines()})
    run.output.line(tail.rstrip("\n") if tail else "There is no log yet: the server has not been started.")
