"""The tools that `benchmarks/migrations.py` compares, each as the commands of a project with the same N migrations.

Every migration of every tool inserts one document into the collection `items`, and takes it out again on the way down.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TASKS = ("up", "status", "no-op up", "rollback")


class Absent(Exception):
    """A tool that cannot be had on this machine; the message says why."""


@dataclass(frozen=True)
class Migrator:
    """A tool with its project: the command line of each task, where it runs, and the exit codes that mean success."""

    name: str
    folder: Path
    commands: Mapping[str, list[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    succeeds_with: Collection[int] = (0,)


@dataclass(frozen=True)
class Place:
    """What a tool's project is made from: an empty folder, the server, the database, how many migrations."""

    folder: Path
    uri: str
    database: str
    count: int


# Makes the project, installing the tool where need be. Raises Absent.
Maker = Callable[[Place], Migrator]
