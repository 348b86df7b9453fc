"""What a redacted backup holds in place of a sensitive value."""

from __future__ import annotations

from enum import Enum


class Mask(Enum):
    """How a sensitive field is left out of a redacted backup, which must still restore under its own validator."""

    EMAIL = "email"
    """An address under `example.invalid`, which nobody can own; the same value gives the same address throughout one
    backup, so unique indexes hold."""

    TOKEN = "token"  # noqa: S105 - the name of a mask
    """A short string made from the value by a keyed hash: the same for equal values of one backup, so unique indexes
    and references between collections hold, and of no use to find the value again."""

    TEXT = "text"
    """The word `redacted`: for text that a validator requires."""

    REMOVE = "remove"
    """Nothing: the field is absent, with all that is inside it."""

    @property
    def keeps_values_apart(self) -> bool:
        """Whether values that differed still differ afterwards, which a unique index needs."""
        return self in (Mask.EMAIL, Mask.TOKEN)
