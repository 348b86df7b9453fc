"""Which commit of the project's repository a run was made from, read from `.git` without running git."""

from __future__ import annotations

import re
from pathlib import Path

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LONGEST_CHAIN = 5


def current_commit(folder: Path) -> str | None:
    """The commit that the work tree around `folder` is on; None outside a repository or before its first commit."""
    for place in (folder.resolve(), *folder.resolve().parents):
        marker = place / ".git"
        if marker.exists():
            try:
                return _head(_git_folder(marker))
            except (OSError, UnicodeDecodeError):
                return None
    return None


def _git_folder(marker: Path) -> Path:
    """A work tree or submodule has a file there that names the folder."""
    if marker.is_dir():
        return marker
    named = marker.read_text(encoding="utf-8").partition("gitdir:")[2].strip()
    return (marker.parent / named).resolve()


def _head(folder: Path) -> str | None:
    common = folder / "commondir"
    shared = (folder / common.read_text(encoding="utf-8").strip()).resolve() if common.is_file() else folder
    name = "HEAD"
    for _ in range(_LONGEST_CHAIN):
        text = _read(folder / name) or _read(shared / name) or _packed(shared, name)
        if _HASH.fullmatch(text):
            return text
        if not text.startswith("ref:"):
            return None
        name = text.removeprefix("ref:").strip()
        if ".." in Path(name).parts:
            return None
    return None


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _packed(folder: Path, name: str) -> str:
    for line in _read(folder / "packed-refs").splitlines():
        commit, _, known = line.partition(" ")
        if known == name:
            return commit
    return ""
