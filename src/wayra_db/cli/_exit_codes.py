"""What each exit code means: one table that the command line, its help and the reference page share."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """The number that a command ends with."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    OK = 0, "done, or nothing to do"
    FAILED = 1, "failed; the message says what was done and what was not"
    USAGE = 2, "wrong usage: an unknown command, option or version"
    PENDING = 3, "a check found pending work, drift or lint errors"
    UNREACHABLE = 10, "the database cannot be reached, refused the credentials, or the embedded server did not start"
    LOCKED = 11, "another runner holds the lock, or this one lost it"
    CONFIGURATION = 12, "a setting, declaration, migration or seed file is wrong"
    HISTORY = 13, "migration files and the database's history do not agree"
    REFUSED = 14, "the environment does not allow it; nothing was touched"
    CORRUPT = 20, "a backup is damaged or incomplete; nothing of it was restored"
    INTERRUPTED = 130, "stopped by Ctrl-C or SIGTERM at a safe point"
