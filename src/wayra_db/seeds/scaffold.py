"""Writes new seed files: a Python file, or a data file with its header."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Literal

from wayra_db.errors import ConfigError
from wayra_db.seeds.loader import load_seeds

Kind = Literal["python", "async", "json", "jsonl", "csv"]

PYTHON = """environments = ["development"]
required = False
description = {description}


{define} seed(db, ctx):
    {wait}ctx.upsert(
        "users",
        [
            {{"email": "ada@example.com", "name": "Ada"}},
        ],
        key="email",
    )
"""

HEADER = """environments = ["development"]
description = {description}
collection = "users"
key = "email"
"""

DATA = {
    "json": '[\n  {"email": "ada@example.com", "name": "Ada"}\n]\n',
    "jsonl": '{"email": "ada@example.com", "name": "Ada"}\n',
    "csv": "email,name\nada@example.com,Ada\n",
}


def create_seed(directory: Path, name: str, *, kind: Kind = "python") -> tuple[Path, ...]:
    """Write the next seed; returns the paths of its files, that of the data first. Never overwrites one.

    Raises SeedLoadError, having written nothing, when an existing seed is broken, ConfigError when `name` gives no file
    name.
    """
    numbers = [int(found[1]) for seed in load_seeds(directory) if (found := re.match(r"(\d+)_", seed.name))]
    stem = f"{max(numbers, default=0) + 1:04d}_{_slug(name)}"
    description = _quoted(name)
    directory.mkdir(parents=True, exist_ok=True)
    if kind in DATA:
        texts = {f"{stem}.{kind}": DATA[kind], f"{stem}.toml": HEADER.format(description=description)}
    else:
        words = {"define": "async def", "wait": "await "} if kind == "async" else {"define": "def", "wait": ""}
        texts = {f"{stem}.py": PYTHON.format(description=description, **words)}
    written = []
    for file_name, text in texts.items():
        path = directory / file_name
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        written.append(path)
    return tuple(written)


def _slug(name: str) -> str:
    letters = re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKD", name.lower()))
    found = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")
    if not found:
        raise ConfigError(f"{name!r} gives no file name", key="name", hint='Name what it makes: --name "sample users".')
    return found[:80].rstrip("_")


def _quoted(name: str) -> str:
    """A description as Python and TOML both read it: one line of printable characters in double quotes."""
    line = "".join(letter for letter in " ".join(name.split()) if letter.isprintable())
    text = line.replace("\\", "").replace('"', "'")
    return f'"{text}"'
