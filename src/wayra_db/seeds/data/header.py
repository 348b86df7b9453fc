"""The `.toml` beside a data file: for which environments it is, into which collection it goes, by which key."""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wayra_db import sourcefile
from wayra_db.environment import Environment
from wayra_db.errors import SeedLoadError
from wayra_db.seeds.checks import checked_environments, checked_names
from wayra_db.seeds.model import DataFile, Seed

SUFFIXES = (".json", ".jsonl", ".csv", ".bson")
KEYS: Mapping[str, type | tuple[type, ...]] = {
    "environments": list,
    "collection": str,
    "key": (str, list),
    "required": bool,
    "description": str,
    "depends_on": list,
    "version": int,
    "keep_edits": bool,
    "transactional": bool,
}
EXAMPLE = 'environments = ["development"]\ncollection = "users"\nkey = "email"'
_CHUNK = 1 << 20


def read_data_seed(header: Path, data: Path) -> tuple[Seed, int | None]:
    """The seed of a data file and its header, and the line of its `depends_on`. The documents are only hashed."""
    values, text = _parsed(header)

    def wrong(key: str, message: str, hint: str) -> SeedLoadError:
        return SeedLoadError(message, path=header, line=_line(text, key), hint=hint)

    for name, value in values.items():
        if name not in KEYS:
            near = difflib.get_close_matches(name, KEYS, n=1)
            known = f"Did you mean `{near[0]}`?" if near else f"There are {', '.join(KEYS)}."
            raise wrong(name, f"`{name}` is nothing that a data file's header has", known)
        kind = KEYS[name]
        # Python's True is an int, and no version.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise wrong(name, f"`{name}` is of the wrong kind", f"For example:\n{EXAMPLE}")
    for name in ("environments", "collection"):
        if not values.get(name):
            raise wrong(name, f"does not say its `{name}`", f"For example:\n{EXAMPLE}")
    key = values.get("key", "_id")
    fields = (key,) if isinstance(key, str) else tuple(key)
    if not fields or not all(isinstance(one, str) and one for one in fields):
        raise wrong("key", "`key` names the field, or a list of the fields, by which a document is found", EXAMPLE)
    environments: tuple[Environment, ...] = checked_environments(
        values["environments"], path=header, line=_line(text, "environments")
    )
    version = values.get("version")
    if version is not None and version < 1:
        raise wrong("version", "`version` counts from 1", "version = 1")
    seed = Seed(
        name=header.stem,
        path=data,
        checksum=_checksum(text, data),
        environments=environments,
        required=values.get("required", False),
        description=values.get("description", ""),
        is_async=False,
        takes_context=False,
        transactional=values.get("transactional"),
        depends_on=checked_names(values.get("depends_on", []), path=header, line=_line(text, "depends_on")),
        collections=(values["collection"],),
        version=version,
        data=DataFile(
            header=header,
            collection=values["collection"],
            key=fields,
            keep_edits=values.get("keep_edits", True),
            size_bytes=data.stat().st_size,
        ),
    )
    return seed, _line(text, "depends_on")


def _parsed(header: Path) -> tuple[dict[str, Any], str]:
    try:
        text = sourcefile.read_source(header)
        return tomllib.loads(text), text
    except sourcefile.SourceFileError as error:
        raise SeedLoadError(error.message, path=header, line=error.line, hint="Nothing has run.") from error
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = int(found[1]) if found else None
        raise SeedLoadError(f"is no TOML: {error}", path=header, line=line, hint=f"For example:\n{EXAMPLE}") from error


def _line(text: str, key: str) -> int | None:
    found = re.search(rf"^\s*{re.escape(key)}\s*=", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else None


def _checksum(text: str, data: Path) -> str:
    """SHA-256 over header and data, with the line endings of text normalised as in Python files."""
    hashed = hashlib.sha256(sourcefile.checksum(text).encode())
    textual = data.suffix != ".bson"
    try:
        with data.open("rb") as file:
            held = b""
            while chunk := file.read(_CHUNK):
                if textual:
                    chunk, held = held + chunk, b""
                    if chunk.endswith(b"\r"):
                        chunk, held = chunk[:-1], b"\r"
                    chunk = chunk.replace(b"\r\n", b"\n")
                hashed.update(chunk)
            hashed.update(held)
    except OSError as error:
        raise SeedLoadError(f"cannot be read: {error.strerror}", path=data, hint="Nothing has run.") from error
    return hashed.hexdigest()
