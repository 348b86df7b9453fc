"""What mongod's end means, from its exit code and its last words; pure."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

_LINES = 20
_LONGEST_LINE = 500
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
    "Restore a backup into a fresh data folder; `mongod --repair` may save what is readable.",
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
    (r"WT_TRY_SALVAGE|WT_PANIC|file is corrupted|read checksum error", _CORRUPT),
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


def diagnose(exit_code: int | None, log: str) -> Diagnosis:
    """Why a mongod ended with `exit_code` (None when it is not known) after it wrote `log`."""
    for words, diagnosis in _WORDS:
        if re.search(words, log):
            return diagnosis
    if exit_code in _CODES:
        return _CODES[exit_code]
    ending = "" if exit_code is None else f" with exit code {exit_code}"
    return Diagnosis(f"it ended{ending}", "Its last words are in the log: wayra-db server logs")
