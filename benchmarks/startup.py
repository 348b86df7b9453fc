"""How fast the command line starts and answers, against what it cannot be faster than.

    .venv/bin/python benchmarks/startup.py [RUNS]

Whole processes, timed from outside, all commands in turn so that a drifting machine meets them alike; medians. The
floor of an offline command is a Python that imports click; that of a command with a database is a Python that imports
PyMongo, and one that also pings the same server and exits as PyMongo programs do.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

PING = """
import sys
from pymongo import MongoClient
with MongoClient(sys.argv[1]) as client:
    client.admin.command("ping")
"""


def seconds(command: list[str], folder: Path) -> float:
    """The wall time of one process."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=dict(os.environ, WAYRA_ENV="development"))
    return time.perf_counter() - started


def medians(commands: dict[str, list[str]], folder: Path, runs: int) -> dict[str, float]:
    """The median time of each command over interleaved runs, after one that does not count."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(runs + 1):
        for name, command in commands.items():
            taken = seconds(command, folder)
            if run:
                times[name].append(taken)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main() -> None:
    """Measure on a copy of the Wayra project with a server of its own."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    tool = str(BIN / "wayra-db")
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary) / "wayra"
        shutil.copytree(ROOT / "wayra", project, ignore=shutil.ignore_patterns(".wayra", "backups"))
        try:
            first = seconds([tool, "init"], project)
            show = [tool, "server", "start", "--quiet"]
            uri = subprocess.run(show, cwd=project, check=True, capture_output=True, text=True).stdout.strip()
            commands = {
                "python -c 'import click'": [sys.executable, "-c", "import click"],
                "wayra-db --version": [tool, "--version"],
                "wayra-db --help": [tool, "--help"],
                "python -c 'import pymongo'": [sys.executable, "-c", "import pymongo"],
                "python: connect, ping, exit": [sys.executable, "-c", PING, uri],
                "wayra-db status": [tool, "status"],
                "wayra-db migrate (nothing pending)": [tool, "migrate"],
                "wayra-db init (nothing to do)": [tool, "init"],
            }
            found = medians(commands, project, runs)
        finally:
            subprocess.run([tool, "server", "stop"], cwd=project, check=False, capture_output=True)
    print(f"medians of {runs} interleaved runs; ratios to `import click` and to `import pymongo`")
    print(f"{'wayra-db init on nothing, server start included':<48} {first * 1000:7.0f} ms")
    for name, taken in found.items():
        click = taken / found["python -c 'import click'"]
        driver = taken / found["python -c 'import pymongo'"]
        print(f"{name:<48} {taken * 1000:7.0f} ms  {click:5.2f} x  {driver:5.2f} x")


if __name__ == "__main__":
    main()
