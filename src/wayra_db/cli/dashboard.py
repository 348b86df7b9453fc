"""`dashboard`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._options import command
from wayra_db.cli._run import Run
from wayra_db.errors import CancelledError


@command(examples=["wayra-db dashboard", "wayra-db dashboard --port 8027 --no-open"])
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Listen here; 0, the default, for any port.")
@click.option("--no-open", is_flag=True, help="Print the address only; open no browser.")
def dashboard(run: Run, port: int, no_open: bool) -> int:
    """Show the database live, in a page of your browser.

    Listens on this machine only, until Ctrl-C. The printed address holds a token; who has it sees everything, and
    nobody can change anything. /metrics is for Prometheus, /healthz for probes, both with the token as a bearer's.
    """
    from wayra_db.dashboard import Dashboard

    project = run.project()
    with Dashboard(project, port=port) as server:
        run.output.document({"url": server.url, "port": server.access.port, "token": server.access.token})
        run.output.line(server.url)
        run.output.results.flush()
        run.output.note("It shows the database until Ctrl-C.")
        at_a_terminal = not run.output.as_json and sys.stdout.isatty()
        try:
            with _opened(server.url, wanted=at_a_terminal and not no_open):
                while not run.stop.wait(3600):
                    pass
        except (CancelledError, KeyboardInterrupt):
            pass  # the usual end
    return ExitCode.OK


@contextmanager
def _opened(url: str, *, wanted: bool) -> Iterator[None]:
    """Open a browser by a file that only this user can read: everybody sees the arguments that it is started with."""
    if not wanted:
        yield
        return
    import webbrowser
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="wayra-db-") as folder:  # made for its owner alone
        page = Path(folder) / "dashboard.html"
        page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0;url={url}">', encoding="utf-8")
        webbrowser.open(page.as_uri())
        yield
