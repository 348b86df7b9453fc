"""What a backup may hold, and of what: decided before anything is read or written. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wayra_db.backups.codecs import CODECS
from wayra_db.backups.manifest import Codec, LeftOut, Manifest, Reason
from wayra_db.environment import Environment
from wayra_db.errors import BackupError, ConfigError, RefusedError
from wayra_db.schema.collection import Collection
from wayra_db.schema.mask import Mask

LOCK = "_wayra_lock"
NOT_ASKED_FOR, EXCLUDED = "not asked for", "excluded"
# What a restore, an import or a question to the server has under way, or has left when it was killed: copies of other
# collections, whose declarations nobody would find by these names.
TEMPORARY = ("_wayra_restore_", "_wayra_import_", "_wayra_scratch_")
TEMPORARY_REASON = "it is a copy that a restore or an import has under way, or has left behind"
LOCK_REASON = "it says who is changing the database now, which is true of no copy"
# What is left of data once it is packed, on the safe side of what documents usually come to.
PACKED_SHARE: Mapping[Codec, float] = {"zstd": 0.6, "gzip": 0.65, "none": 1.0}
SPARE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Protection:
    """Whether sensitive fields are left out, and to whom the backup is encrypted."""

    redact: bool
    recipients: tuple[str, ...] = ()


def decide_protection(
    *,
    environment: Environment,
    reason: Reason,
    include_sensitive: bool,
    plaintext: bool,
    recipients: Sequence[str],
) -> Protection:
    """How sensitive fields are dealt with. Raises RefusedError and ConfigError.

    A backup that a person asks for leaves them out, unless they are asked for; whole, it is encrypted, or `plaintext`
    outside production. A backup that the tool makes before something destructive must be able to bring everything back,
    so it is whole: encrypted where there are recipients, which production requires.
    """
    if plaintext and recipients:
        raise ConfigError(
            "a backup is either plaintext or encrypted", key="plaintext", hint="Leave out --plaintext or --encrypt-to."
        )
    whole = include_sensitive or reason != "manual"
    if not whole:
        return Protection(True, tuple(recipients))
    if environment is Environment.PRODUCTION and not recipients:
        raise RefusedError(
            f"a whole backup of {environment} must be encrypted: nothing was written",
            rule="plaintext_backup",
            environment=environment.value,
            allowed_by="Name a recipient: --encrypt-to age1..., or backups.recipients in wayra-db.toml. `age-keygen` "
            "makes one.",
        )
    if not recipients and not plaintext and reason == "manual":
        raise RefusedError(
            "a backup with sensitive fields must be encrypted: nothing was written",
            rule="plaintext_backup",
            environment=environment.value,
            allowed_by="Name a recipient with --encrypt-to age1..., or, as this is not production, add --plaintext.",
        )
    return Protection(False, tuple(recipients))


@dataclass(frozen=True, slots=True)
class Selection:
    """The names that are backed up, and those that are not, with the reason."""

    names: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def select(names: Iterable[str], *, only: Sequence[str] | None = None, exclude: Sequence[str] = ()) -> Selection:
    """Which of the collections that are there are meant. Raises BackupError for a name that is not there."""
    there = sorted(names)
    for wanted in (*(only or ()), *exclude):
        if wanted not in there:
            near = difflib.get_close_matches(wanted, there, n=1, cutoff=0.6)
            raise BackupError(
                f"there is no collection {wanted!r}; nothing was written",
                hint=f"Did you mean {near[0]}?" if near else "`wayra-db status` lists them.",
            )
    chosen, left_out = [], []
    for name in there:
        if name == LOCK:
            left_out.append(LeftOut(name, LOCK_REASON))
        elif name.startswith(TEMPORARY):
            left_out.append(LeftOut(name, TEMPORARY_REASON))
        elif name in exclude:
            left_out.append(LeftOut(name, EXCLUDED))
        elif only is not None and name not in only:
            left_out.append(LeftOut(name, NOT_ASKED_FOR))
        else:
            chosen.append(name)
    if there and not chosen and (only is not None or exclude):
        raise BackupError(
            "nothing is left to back up; nothing was written",
            hint="Every collection that was asked for is excluded as well, or is one that is never backed up.",
        )
    return Selection(tuple(chosen), tuple(left_out))


def is_of_some_collections(manifest: Manifest) -> bool:
    """Whether a backup was made of some collections alone; one that leaves some out is of all others."""
    return any(one.reason == NOT_ASKED_FOR for one in manifest.left_out)


def masks_of(declared: Iterable[Collection], names: Iterable[str]) -> dict[str, Mapping[str, Mask]]:
    """The sensitive fields of the collections that have any, by their names."""
    wanted = set(names)
    return {one.name: one.sensitive for one in declared if one.sensitive and one.name in wanted}


def require_codec(codec: Codec, level: int | None) -> int | None:
    """The level that counts. Raises ConfigError for an unknown codec, or a level that it does not have."""
    known = CODECS.get(codec)
    if known is None:
        raise ConfigError(f"{codec!r} is no codec", key="backups.codec", hint=f"One of {', '.join(CODECS)}.")
    if level is None:
        return known.default_level
    if level not in known.levels:
        levels = f"has levels {known.levels[0]} to {known.levels[-1]}" if known.levels else "has no levels"
        raise ConfigError(f"{codec} {levels}, and {level} is none", key="level")
    return level


def require_space(size: int, codec: Codec, free: int, place: str) -> None:
    """Raise BackupError when `size` bytes of documents will hardly fit, packed, into `free` bytes at `place`."""
    needed = int(size * PACKED_SHARE[codec]) + SPARE_BYTES
    if needed > free:
        raise BackupError(
            f"the backup needs about {needed / 1e6:,.0f} MB, and {place} has {free / 1e6:,.0f} MB free; nothing was "
            "written",
            hint="Make room, back up fewer collections, or set another directories.backups.",
        )
