"""A small project on a test server, made by the test that needs it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from wayra_db import Project
from wayra_db.environment import Action
from wayra_db.testing import RecordingObserver

COLLECTIONS = """
from pymongo import IndexModel
from wayra_db import Collection

users = Collection(
    "users",
    validator={"$jsonSchema": {"bsonType": "object", "required": ["email"]}},
    indexes=[IndexModel([("email", 1)], unique=True)],
)
"""

SEED = """
environments = ["development", "test"]

def seed(db):
    db.users.insert_many([{"email": "ada@example.com"}, {"email": "grace@example.com"}])
"""


def migration(up: str, down: str | None = None, *, head: str = "", is_async: bool = False) -> str:
    """The text of a migration with these bodies."""
    define = "async def" if is_async else "def"
    text = f"{head}\n{define} up(db):\n{textwrap.indent(textwrap.dedent(up).strip(), '    ')}\n"
    if down is not None:
        text += f"\n{define} down(db):\n{textwrap.indent(textwrap.dedent(down).strip(), '    ')}\n"
    return text


def assert_tidy(source: str, longest: int = 88) -> None:
    """A formatter would not change the text, for lines of `longest` columns and of 120, and a linter finds nothing."""
    ruff = [str(Path(sys.executable).parent / "ruff")]
    for arguments in (
        ["format", "--isolated", "--line-length", str(longest), "--diff", "-"],
        ["format", "--isolated", "--line-length", "120", "--diff", "-"],
        ["check", "--isolated", "--select", "E4,E7,E9,F,W,I,UP,B", "-"],
    ):
        ended = subprocess.run([*ruff, *arguments], input=source, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr + source


class Sandbox:
    """A project in a folder of its own, on a database of its own; without a URI on its embedded server."""

    def __init__(self, folder: Path, uri: str | None, database: str) -> None:
        self.folder = folder
        self.uri = uri
        self.database = database
        self.observer = RecordingObserver()
        self.write("wayra-db.toml", "")

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def migration(self, version: int, up: str, down: str | None = None, **more: Any) -> Path:
        """Write a migration."""
        return self.write(f"migrations/{version:04d}_step.py", migration(up, down, **more))

    def complete(self) -> None:
        """Write a collection, two migrations and a seed."""
        self.write("collections/users.py", COLLECTIONS)
        self.migration(1, 'db.users.update_many({}, {"$set": {"role": "user"}})')
        self.migration(2, 'db.trips.insert_one({"title": "first"})', 'db.trips.delete_many({"title": "first"})')
        self.write("scripts/seeds/0001_users.py", SEED)

    def environ(self, **more: str) -> dict[str, str]:
        """What a process of this project is started with."""
        return {"MONGODB_URI": self.uri or "", "WAYRA_DATABASE": self.database, **more}

    def open(
        self, *, environ: Mapping[str, str] | None = None, permitted: Collection[Action] = (), **options: Any
    ) -> Project:
        """The project, with an observer that records."""
        return Project.open(
            self.folder,
            environ=self.environ(**(environ or {})),
            observer=self.observer,
            permitted=permitted,
            **options,
        )

    def start(self, *arguments: str, prelude: str = "", **environ: str) -> subprocess.Popen[str]:
        """The command line in a process of its own, after the Python code `prelude`."""
        code = f"{prelude}\nimport sys\nfrom wayra_db.cli import main\nmain(sys.argv[1:])\n"
        return subprocess.Popen(
            [sys.executable, "-c", code, "--project", str(self.folder), *arguments],
            env={"PATH": os.environ["PATH"], **self.environ(**environ)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, prelude: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """As `start`, waiting for the end."""
        process = self.start(*arguments, prelude=prelude, **environ)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)
