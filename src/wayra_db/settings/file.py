"""`wayra-db.toml`: finding it, reading it, and saying where in it a mistake stands."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from wayra_db.environment import Environment
from wayra_db.errors import ConfigError
from wayra_db.settings.model import Origin, OriginKind
from wayra_db.settings.options import OPTIONS, nearest_name

FILE_NAME = "wayra-db.toml"

Layer = Mapping[str, tuple[Any, Origin]]
Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """What the file sets: `base` for every environment, `environments` for one, which wins."""

    base: Layer = field(default_factory=dict)
    environments: Mapping[Environment, Layer] = field(default_factory=dict)


def find_project_file(start: Path) -> Path | None:
    """The `wayra-db.toml` in the folder `start` or the nearest above it, as an absolute path. `start` may be the file.

    Raises ConfigError when `start` does not exist, rather than to work on the project of some folder above it.
    """
    start = start.absolute()
    if not start.exists():
        raise ConfigError(f"there is no project in {start}: no such folder", source=str(start))
    if start.is_file():
        return start
    candidates = (folder / FILE_NAME for folder in (start, *start.parents))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def read_project_file(path: Path) -> ProjectFile:
    """Read and check the whole file, also what is set for other environments. Raises ConfigError."""
    source = _Source(path, _read(path))
    base: dict[str, tuple[Any, Origin]] = {}
    environments: dict[Environment, dict[str, tuple[Any, Origin]]] = {}
    for place, value in _leaves(source.parse()):
        layer, key = base, place
        if place[0] == "environments":
            layer, key = environments.setdefault(_environment(source, place), {}), place[2:]
        layer[".".join(key)] = (_accept(source, place, key, value), source.origin(place))
    return ProjectFile(base, environments)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors put a byte order mark in front
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}", source=str(path)) from error


@dataclass(frozen=True, slots=True)
class _Source:
    """A file and its text, for saying where in it something stands."""

    path: Path
    text: str

    def parse(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            reason, _, at = str(error).partition(" (at ")
            found = re.match(r"line (\d+)", at)  # the other form is "end of document"
            where = f"{self.path}:{found[1] if found else max(1, len(self.text.splitlines()))}"
            raise ConfigError(f"{where}: this is not TOML: {reason}", source=where) from error

    def origin(self, place: Keys) -> Origin:
        return Origin(OriginKind.FILE, ".".join(place), self.path, _line_of(self.text, place))

    def mistake(self, place: Keys, problem: str, hint: str = "") -> ConfigError:
        key, where = ".".join(place), str(self.origin(place))
        return ConfigError(f"{where}: {key} {problem}", key=key, source=where, hint=hint)


def _leaves(table: Mapping[str, Any], place: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    for name, value in table.items():
        here = (*place, name)
        # A table that there is not is looked into too: what it sets tells best which one was meant.
        if isinstance(value, dict) and (value or _is_section(here)) and ".".join(_key(here)) not in OPTIONS:
            yield from _leaves(value, here)
        else:
            yield here, value


def _key(place: Keys) -> Keys:
    """The place of a setting without the environment that it is for."""
    return place[2:] if place[0] == "environments" else place


def _is_section(place: Keys) -> bool:
    key = _key(place)
    prefix = ".".join((*key, ""))
    return not key or any(name.startswith(prefix) for name in OPTIONS)


def _environment(source: _Source, place: Keys) -> Environment:
    """The environment that a setting at `place`, below `environments`, is for."""
    if len(place) > 1 and place[1] not in tuple(Environment):
        raise source.mistake(place[:2], "is no environment", _hint(place[1:2], list(Environment)))
    if len(place) < 3:
        raise source.mistake(place, "must be a table, as in [environments.test.database]")
    return Environment(place[1])


def _accept(source: _Source, place: Keys, key: Keys, value: Any) -> Any:
    option = OPTIONS.get(".".join(key))
    if option is None:
        if _is_section(key):
            raise source.mistake(place, f"must be a table: [{'.'.join(place)}]")
        known = [name for name, other in OPTIONS.items() if other.in_file]
        raise source.mistake(place, "is no setting", _hint(key, known))
    if not option.in_file:
        raise source.mistake(place, f"is not set in the file but by {option.flag} or {option.variable}")
    try:
        return option.accept(value)
    except ValueError as error:
        raise source.mistake(place, str(error)) from None


def _hint(wrong: Keys, known: list[str]) -> str:
    """The known name that was probably meant: right but in the wrong table, or nearly right."""
    written = ".".join(wrong)
    sections = sorted({name.partition(".")[0] for name in known if "." in name})
    if len(wrong) == 1 and (section := nearest_name(written, sections)):
        return f"Did you mean [{section}]?"
    by_last_part = {name.rpartition(".")[2]: name for name in known}
    same_end = [name for name in known if name.rpartition(".")[2] == wrong[-1]]
    nearest = (
        next(iter(difflib.get_close_matches(written, same_end, n=1, cutoff=0)), None)
        or nearest_name(written, known)
        or by_last_part.get(nearest_name(wrong[-1], list(by_last_part)) or "")
    )
    return f"Did you mean {nearest}?" if nearest else f"It can be one of: {', '.join(known)}."


def _line_of(text: str, place: Keys) -> int | None:
    """The line that sets the key at `place`, or the nearest table around it; None when neither is found.

    tomllib keeps no positions, so this looks for lines that begin a table or a key; within a multi-line string it can
    be fooled, which costs no more than a wrong number in a message.
    """
    table: Keys = ()
    best: tuple[int, int | None] = (0, None)
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+([^\[\]]+)\]", line):
            here = table = _split(header[1])
        elif assignment := re.match(r"\s*([\w.\"' -]+?)\s*=", line):
            here = (*table, *_split(assignment[1]))
        else:
            continue
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(place, here, strict=False)))
        if shared > best[0]:
            best = (shared, number)
    return best[1]


def _split(dotted: str) -> Keys:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
