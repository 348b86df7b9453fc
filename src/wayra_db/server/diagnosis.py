"""What mongod's end means, from its exit code and its last words; pure."""

from __future__ import annotations

import json
import re
import signal
from dataclasses import dataclass, replace
from typing import Any

_LINES = 20
_LONGEST_LINE = 500
_LONGEST_REASON = 200
# What mongod says in the last lines before it aborts, whatever the reason was.
_ECHOES = ("ASSERT", "CONTROL")
_SEE_THE_MANUAL = "Please read the documentation"
_ENGINE_SAYS = "WiredTiger error message"
_TROUBLE = re.compile(r'"s":"[EF]"')


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why mongod did not start, and what to do about it."""

    reason: str
    hint: str
    port_taken: bool = False


_DISK_FULL = Diagnosis("the disk is full", "Free some space; the data is unharmed.")
_NEWER_DATA = Diagnosis(
    "the data folder was written by another version of MongoDB",
    "Start it with the version that wrote it, or move the data folder away.",
)
_PORT_TAKEN = Diagnosis("its address is in use", "Stop what listens there.", port_taken=True)
_OLD_CPU = Diagnosis(
    "this processor lacks an instruction that it needs (AVX)", "Use a MongoDB elsewhere: set MONGODB_URI."
)
_CORRUPT = Diagnosis(
    "the data files are damaged",
    "To begin anew, move them away (mv {data} {data}.damaged) and run the command again; a backup can be restored into "
    "the fresh database. `mongod --repair --dbpath {data}` may save what is readable.",
)
_DENIED = Diagnosis("it may not read or write its data folder", "Make the folder and its files yours (chown, chmod).")
_OLD_SYSTEM = Diagnosis(
    "this system's libraries are older than it needs",
    "Set another mongod, or use Docker with the shipped compose.yaml.",
)
_LOCKED = Diagnosis("another mongod uses this data folder", "Stop that one first.")
_TOO_MANY_FILES = Diagnosis("the limit of open files is too low", "Raise it: ulimit -n 64000")

# The first that matches wins: particular words first, words that also accompany another trouble last.
_WORDS: tuple[tuple[str, Diagnosis], ...] = (
    (r"No space left on device|Disk quota exceeded", _DISK_FULL),
    (r"Address already in use", _PORT_TAKEN),
    (r"version `GLIBC[X_]|error while loading shared libraries|Library not loaded", _OLD_SYSTEM),
    (r"Wrong mongod version|UPGRADE PROBLEM|unsupported WiredTiger file version", _NEWER_DATA),
    (r"Unable to lock the lock file|DBPathInUse", _LOCKED),
    (r"Too many open files", _TOO_MANY_FILES),
    (r"Permission denied|Operation not permitted", _DENIED),
    (r"WT_TRY_SALVAGE|WT_PANIC|file is corrupted|read checksum error|data corruption|with --repair here", _CORRUPT),
)
_CODES: dict[int, Diagnosis] = {
    48: _PORT_TAKEN,
    62: _NEWER_DATA,
    -signal.SIGILL: _OLD_CPU,
    128 + signal.SIGILL: _OLD_CPU,
    -signal.SIGKILL: Diagnosis("it was killed, perhaps for want of memory", "Free some memory and try again."),
}


def last_words(log: str) -> str:
    """The lines of `log` that tell a reader what went wrong: errors, and what is not in mongod's own log format.

    When there are none, the end of the log, whatever it is. mongod's backtraces are information only, and are left out.
    """
    lines = [line[:_LONGEST_LINE] for line in log.splitlines()]
    telling = [line for line in lines if not line.startswith("{") or _TROUBLE.search(line)]
    return "\n".join((telling or lines)[-_LINES:])


def last_reason(log: str) -> str:
    """The last error of mongod's own in `log`, in its words; empty when it wrote none."""
    for line in reversed(log.splitlines()):
        if not _TROUBLE.search(line) or "WT_PANIC" in line:  # the engine's panic is not the reason for it
            continue
        try:
            entry = json.loads(line)
        except ValueError:  # the last line of a full disk
            continue
        said = str(entry.get("msg", ""))
        if entry.get("c") in _ECHOES or said.startswith(_SEE_THE_MANUAL):
            continue
        detail = _detail(entry.get("attr", {}))
        return (detail if said == _ENGINE_SAYS else f"{said}: {detail}" if detail else said)[:_LONGEST_REASON]
    return ""


def _detail(attributes: dict[str, Any]) -> str:
    """The sentence among an entry's attributes; the storage engine's begins with a place in its code."""
    for name in ("message", "error", "reason"):
        value = attributes.get(name)
        if isinstance(value, dict):
            value = value.get("msg") or value.get("errmsg")
        if isinstance(value, str) and not value.startswith(_SEE_THE_MANUAL):
            return re.sub(r"^\w+:\d+:", "", value).strip()
    return ""


def diagnose(exit_code: int | None, log: str, data: str = "its data folder") -> Diagnosis:
    """Why a mongod ended with `exit_code` (None when it is not known) after it wrote `log`; `data` is its data folder
    as a shell takes it.
    """
    for words, diagnosis in _WORDS:
        if re.search(words, log):
            if diagnosis is not _CORRUPT:
                return diagnosis
            return replace(diagnosis, reason=_with(diagnosis.reason, log), hint=diagnosis.hint.replace("{data}", data))
    if exit_code in _CODES:
        return _CODES[exit_code]
    ending = "" if exit_code is None else f" with exit code {exit_code}"
    return Diagnosis(_with(f"it ended{ending}", log), "Its last words are in the log: wayra-db server logs")


def _with(said: str, log: str) -> str:
    reason = last_reason(log)
    return f"{said}: {reason}" if reason else said
