"""Run a command for as long as its owner lives: `python supervise.py FOLDER LOG COMMAND...`.

Standard input is a pipe whose other end only the owner has. When it closes, because the owner is done or dead, the
command is killed and FOLDER deleted. A line ends the command and leaves the folder: "stop" asks it to end, "kill" does
not ask. Standard output says the command's process id, and its exit code when it has ended.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> None:
    """Run the command and return when it has ended."""
    folder, log, *command = arguments
    with Path(log).open("ab") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    _say(child.pid)
    threading.Thread(target=lambda: _say(child.wait())).start()
    order = sys.stdin.readline().strip()
    if order == "stop":
        child.terminate()
    else:
        child.kill()
    child.wait()
    if not order:
        shutil.rmtree(folder, ignore_errors=True)


def _say(number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody is left to hear it
        print(number, flush=True)  # noqa: T201  # a program of its own, which speaks by its output


if __name__ == "__main__":
    main(sys.argv[1:])
