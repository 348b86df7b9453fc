"""How fast migrations run, against the least that they can cost and against other tools.

    .venv/bin/python benchmarks/migrations.py [RUNS] [--count N] [--disk] [--nodes N] [--without-rivals]

A server of its own, a replica set of one node or of N on this machine, with its data in memory or, by `--disk`, in the
temporary folder with the server's normal journal. In each of RUNS rounds (3) every tool in turn runs N trivial
migrations (1,000) from nothing, shows their status, runs `up` with nothing to do, and rolls all of them back; the
database is dropped before. Whole processes, measured from outside, and each outcome is checked in the database.

How to read it: the machine is shared and the disk is what it is, so seconds say little and ratios to the floor of the
same round say much. The floor is one process that reads and hashes the files, reads the history, and for each migration
does two majority writes one after the other, its own and that of its record: no lock, no checks, no log, no output, and
no wait for the driver's threads at exit. A tool that writes both in one transaction can be faster than that.

`wall` and `cpu` (user and system of the tool's process, not of the server) are medians of the rounds; `x floor` beside
each is the median of the rounds' ratios. `memory` is the largest resident set. `commands` is what the server counted
meanwhile, per migration for `up` and `rollback`, in all for the others; handshakes, heartbeats, pings and ends of
sessions don't count. Of several nodes none are shown, for those also talk to each other. A tool that is absent or fails
has its line, with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pymongo
from migrators import TASKS, Absent, Maker, Migrator, Place, own, rivals

from wayra_db.testing import TemporaryServer, temporary_server

Client = pymongo.MongoClient[dict[str, Any]]

DATABASE = "bench"
OWN = {"floor": own.floor, "wayra-db": own.wayra_db, "wayra-db --group": own.wayra_db_group}
RIVALS = {
    "migrate-mongo": rivals.migrate_mongo,
    "mongomig": rivals.mongomig,
    "mongrator": rivals.mongrator,
    "mongrator --transactional": rivals.mongrator_transactional,
}
PER_MIGRATION = ("up", "rollback")
NOT_COUNTED = frozenset({"endSessions", "hello", "isMaster", "ping", "serverStatus"})
NORMAL_JOURNAL_MILLISECONDS = 100
SECONDS_UNTIL_HOPELESS = 600

# A small process of its own starts and measures each command: the kernel counts as a child's memory also what the child
# had of its parent before it became another program.
LAUNCHER = """
import json, os, sys, time
report, command = sys.argv[1], sys.argv[2:]
started = time.perf_counter()
child = os.posix_spawn(command[0], command, os.environ)
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - started
with open(report, "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), wall, used.ru_utime + used.ru_stime, used.ru_maxrss], file)
"""


class Failed(Exception):
    """A tool that did not do what it was asked; the message says what it said."""


@dataclass(frozen=True)
class Measured:
    """One task of one tool in one round; `commands` is what the server saw of it."""

    wall_seconds: float
    cpu_seconds: float
    memory_bytes: int
    commands: int


Round = dict[str, dict[str, Measured]]


def main() -> None:
    """Measure, and print a table for each task."""
    options = _options()
    makers: dict[str, Maker] = OWN | ({} if options.without_rivals else RIVALS)
    migrators: dict[str, Migrator] = {}
    missing = dict.fromkeys(() if makers.keys() >= RIVALS.keys() else RIVALS, "absent: left out by --without-rivals")
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="wayra-bench-") as temporary, _server(options) as server:
        for number, (name, make) in enumerate(makers.items()):
            print(f"preparing {name}", file=sys.stderr)
            folder = Path(temporary) / f"project{number}"
            folder.mkdir()
            try:
                migrators[name] = make(Place(folder, server.uri, DATABASE, options.count))
                _run(migrators[name], "status")  # reads the tool from the disk and lets it write its bytecode
            except (Absent, Failed, OSError, subprocess.SubprocessError) as error:
                missing[name] = f"absent: {error}"
        with server.client() as client:
            for number in range(1, options.runs + 1):
                print(f"round {number} of {options.runs}", file=sys.stderr)
                rounds.append({})
                for name in [name for name in migrators if name not in missing]:
                    try:
                        rounds[-1][name] = _all_tasks(migrators[name], client, options.count)
                    except Failed as error:
                        missing[name] = f"failed: {error}"
            _describe(client, options)
    if "floor" in missing:
        sys.exit(f"the floor itself {missing['floor']}")
    for task in TASKS:
        _print_task(task, rounds, {name: one.name for name, one in migrators.items()}, missing, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="?", type=int, default=3, metavar="RUNS")
    parser.add_argument("--count", type=int, default=1000, metavar="N")
    parser.add_argument("--disk", action="store_true")
    parser.add_argument("--nodes", type=int, default=1, metavar="N")
    parser.add_argument("--without-rivals", action="store_true")
    return parser.parse_args()


@contextmanager
def _server(options: argparse.Namespace) -> Iterator[TemporaryServer]:
    # The refresh of sessions is a handful of commands every five minutes that nobody asked for.
    quiet = {"disableLogicalSessionCacheRefresh": "true"}
    directory = Path(tempfile.gettempdir()) if options.disk else None
    with temporary_server(nodes=options.nodes, directory=directory, set_parameters=quiet) as server:
        for node in server.nodes if options.disk else ():
            with pymongo.MongoClient(node.host, directConnection=True) as client:
                client.admin.command({"setParameter": 1, "journalCommitInterval": NORMAL_JOURNAL_MILLISECONDS})
        yield server


def _all_tasks(migrator: Migrator, client: Client, count: int) -> dict[str, Measured]:
    """Every task once on an empty database. Raises Failed."""
    client.drop_database(DATABASE)
    measured: dict[str, Measured] = {}
    for task in TASKS:
        before = _commands(client)
        wall, cpu, memory = _run(migrator, task)
        measured[task] = Measured(wall, cpu, memory, _commands(client) - before)
        expected, there = 0 if task == "rollback" else count, client[DATABASE].items.count_documents({})
        if there != expected:
            raise Failed(f"after `{task}` there are {there} documents, not {expected}")
    return measured


def _run(migrator: Migrator, task: str) -> tuple[float, float, int]:
    """One process: its wall seconds, CPU seconds, and memory in bytes. Raises Failed."""
    # PYTHON*: a shell that forbids bytecode or buffers would measure that instead.
    strangers = ("MONGO", "NODE_", "PYTHON", "WAYRA_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(strangers)}
    report = migrator.folder / "measured.json"
    try:
        ran = subprocess.run(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, str(report), *migrator.commands[task]],
            cwd=migrator.folder,
            env={**environment, **migrator.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS_UNTIL_HOPELESS,
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise Failed(f"`{task}`: {error}") from error
    exit_code, wall, cpu, kilobytes = json.loads(report.read_text())
    if exit_code not in migrator.succeeds_with:
        said = ran.stdout.decode(errors="replace").strip().splitlines()
        raise Failed(f"`{task}` ended with {exit_code}: {said[-1] if said else 'no output'}")
    return wall, cpu, kilobytes * 1024


def _commands(client: Client) -> int:
    """How many commands the server has had so far, but for those that are nobody's work."""
    counted = client.admin.command("serverStatus")["metrics"]["commands"]
    return sum(one["total"] for name, one in counted.items() if isinstance(one, dict) and name not in NOT_COUNTED)


def _describe(client: Client, options: argparse.Namespace) -> None:
    journal = client.admin.command({"getParameter": 1, "journalCommitInterval": 1})["journalCommitInterval"]
    print(
        f"{options.count} migrations, medians of {options.runs} interleaved rounds; replica set of {options.nodes}, "
        f"data {'on disk' if options.disk else 'in memory where there is room'}, "
        f"journal every {journal} ms; MongoDB {client.server_info()['version']}, PyMongo {pymongo.version}, "
        f"Python {platform.python_version()}, {os.cpu_count()} cores"
    )


def _print_task(
    task: str,
    rounds: Sequence[Round],
    names: Mapping[str, str],
    missing: Mapping[str, str],
    options: argparse.Namespace,
) -> None:
    per = options.count if task in PER_MIGRATION else 1
    heading = "commands each" if task in PER_MIGRATION else "commands"
    print(f"\n{task:<32} {'wall':>8} {'x floor':>8} {'cpu':>8} {'x floor':>8} {'memory':>8} {heading:>14}")
    for name in OWN | RIVALS:
        if name in missing:
            print(f"{name:<32} {missing[name]}")
            continue
        found = [one[name][task] for one in rounds]
        pairs = [(one[name][task], one["floor"][task]) for one in rounds]
        commands = "–" if options.nodes > 1 else f"{median(one.commands for one in found) / per:.2f}"
        print(
            f"{names[name]:<32}"
            f" {median(one.wall_seconds for one in found):6.2f} s"
            f" {median(one.wall_seconds / least.wall_seconds for one, least in pairs):8.2f}"
            f" {median(one.cpu_seconds for one in found):6.2f} s"
            f" {median(one.cpu_seconds / least.cpu_seconds for one, least in pairs):8.2f}"
            f" {median(one.memory_bytes for one in found) / 1e6:5.0f} MB {commands:>14}"
        )


if __name__ == "__main__":
    main()
