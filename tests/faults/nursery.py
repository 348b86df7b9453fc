"""Command lines that start in a few milliseconds: forked from a process that has imported everything.

The process has no client and no second thread, so forking it is safe, and each child connects by itself. It is spoken
to by lines of JSON on its standard input, and answers by lines of JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from tests.support import Sandbox

KILLER = """
import os, signal
from pymongo import monitoring

class Killer(monitoring.CommandListener):
    sent = 0

    def started(self, event):
        Killer.sent += 1
        if Killer.sent == {number} and {moment!r} == "before":
            os.kill(os.getpid(), signal.SIGKILL)

    def succeeded(self, event):
        if Killer.sent == {number} and {moment!r} == "after":
            os.kill(os.getpid(), signal.SIGKILL)

    failed = succeeded

monitoring.register(Killer())
"""


@dataclass
class Child:
    """A command line that is running. `said` is what it has written to both of its outputs so far."""

    pid: int
    output: Path
    nursery: Nursery

    @property
    def said(self) -> str:
        """What it has written."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self) -> Ended:
        """How it ended, once it has."""
        reply = self.nursery.ask({"wait": self.pid})
        return Ended(reply["code"], self.said, reply["peak_kilobytes"])


@dataclass(frozen=True)
class Ended:
    """How a command line ended: its exit code, or minus the signal's number; its output and its peak memory."""

    code: int
    said: str = field(repr=True)
    peak_kilobytes: int


class Nursery:
    """Starts command lines. Made by `nursery()`."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._started = 0

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request and its reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply: dict[str, Any] = json.loads(self._process.stdout.readline())
        return reply

    def start(
        self, sandbox: Sandbox, *arguments: str, prelude: str = "", kill: tuple[str, int] | None = None, **environ: str
    ) -> Child:
        """Start a command line on a project, after the Python code `prelude`.

        `kill` is ("before", 3) or ("after", 3): kill -9 at the third command that it sends to the server.
        """
        self._started += 1
        output = self._folder / f"child{self._started}.txt"
        output.touch()
        if kill is not None:
            prelude += KILLER.format(moment=kill[0], number=kill[1])
        reply = self.ask(
            {
                "arguments": ["--project", str(sandbox.folder), *arguments],
                "environ": {"PATH": os.environ["PATH"], **sandbox.environ(**environ)},
                "prelude": prelude,
                "output": str(output),
            }
        )
        return Child(reply["pid"], output, self)

    def run(self, sandbox: Sandbox, *arguments: str, **options: Any) -> Ended:
        """As `start`, waiting for the end."""
        return self.start(sandbox, *arguments, **options).wait()


@contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    """A nursery for the block, which keeps the outputs in `folder`; children that are left are killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.nursery"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Nursery(process, folder)
    finally:
        process.communicate(timeout=60)


def serve(requests: Iterator[str]) -> None:
    """Answer requests until there are none; then kill what still runs."""
    _import_everything()
    running: set[int] = set()
    for line in requests:
        request = json.loads(line)
        if "wait" in request:
            pid, status, usage = os.wait4(request["wait"], 0)
            running.discard(pid)
            reply = {"code": os.waitstatus_to_exitcode(status), "peak_kilobytes": usage.ru_maxrss}
        else:
            pid = os.fork()
            if pid == 0:
                _become(**request)
            running.add(pid)
            reply = {"pid": pid}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _import_everything() -> None:
    """Load what a command line may need, so that no child has to."""
    import wayra_db

    for module in pkgutil.walk_packages(wayra_db.__path__, "wayra_db."):
        if not module.name.startswith(("wayra_db._testing", "wayra_db.testing", "wayra_db.__main__")):
            importlib.import_module(module.name)
    for name in ("pymongo", "pymongo.asynchronous.mongo_client", "pymongo.synchronous.mongo_client", "asyncio", "pwd"):
        importlib.import_module(name)


def _become(arguments: Sequence[str], environ: dict[str, str], prelude: str, output: str) -> NoReturn:
    """Be that command line."""
    try:
        target = os.open(output, os.O_WRONLY | os.O_CREAT, 0o600)
        for number, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, target), (2, target)):
            os.dup2(file, number)
        os.environ.clear()
        os.environ.update(environ)
        sys.argv = ["wayra-db", *arguments]
        exec(prelude, {})
        from wayra_db.cli import main

        main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(70)


if __name__ == "__main__":
    serve(iter(sys.stdin.readline, ""))
