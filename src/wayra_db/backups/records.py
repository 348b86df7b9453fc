"""What is known of a backup beside what stands in it: when it was verified, and whether it is pinned.

Small files in the hidden folder `.wayra` of the folder of the backups, by the backup's id, so that no backup is changed
and a renamed one keeps them. They speak of the copy in this folder; a copy elsewhere has its own.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from wayra_db.backups import shape

FOLDER = ".wayra"
VerifyKind = Literal["hashes", "structure", "deep"]
DEPTHS = get_args(VerifyKind)  # each goes further than the one before

_SHAPE = shape.Fields(
    {
        "at": shape.moment,
        "kind": shape.one_of(DEPTHS),
        "ok": shape.switch,
        "digest": shape.text,
        "tool": shape.text,
    }
)


@dataclass(frozen=True, slots=True)
class Verified:
    """The last verification of a backup: of its hashes alone (an encrypted one without the identity, or in passing,
    before a restore), also of all its structure, or also by restoring it. `digest` is that of the manifest it was done
    with.
    """

    at: datetime
    kind: VerifyKind
    ok: bool
    digest: str
    tool: str

    @property
    def in_depth(self) -> bool:
        """Whether its content was looked into and is sound: `verified` without a further word means this. That the
        files are those that were written, which is all that hashes tell, is less.
        """
        return self.ok and self.kind != "hashes"

    def with_depth_of(self, before: Verified | None) -> Verified:
        """This one, with the depth that an earlier one of the same bytes has reached, if both found nothing wrong."""
        deeper = before is not None and before.ok and self.ok and DEPTHS.index(before.kind) > DEPTHS.index(self.kind)
        return replace(self, kind=before.kind) if deeper and before is not None else self

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "at": self.at.isoformat(),
            "kind": self.kind,
            "ok": self.ok,
            "digest": self.digest,
            "tool": self.tool,
        }


class Records:
    """The records of one folder of backups."""

    def __init__(self, backups: Path) -> None:
        self._folder = backups / FOLDER

    def verified(self, identifier: str, digest: str) -> Verified | None:
        """The record of a backup, if it speaks of it as it is now."""
        document = self._read("verified", identifier)
        if document is None or _SHAPE(document, "") or document["digest"] != digest:
            return None
        return Verified(
            datetime.fromisoformat(document["at"]).astimezone(UTC),
            document["kind"],
            document["ok"],
            document["digest"],
            document["tool"],
        )

    def set_verified(self, identifier: str, record: Verified) -> None:
        """Keep a record in place of the last one."""
        self._write("verified", identifier, record.to_dict())

    def pinned(self, identifier: str) -> bool:
        """Whether it is pinned. A pin that cannot be read pins."""
        return self._path("pinned", identifier).exists()

    def pin(self, identifier: str, *, now: datetime) -> None:
        """Pin a backup; nothing is changed where it is."""
        if not self.pinned(identifier):
            self._write("pinned", identifier, {"at": now.isoformat()})

    def unpin(self, identifier: str) -> None:
        """Take the pin off."""
        self._path("pinned", identifier).unlink(missing_ok=True)

    def forget(self, identifier: str) -> None:
        """Remove all records of a backup that is gone."""
        for kind in ("verified", "pinned"):
            with suppress(OSError):
                self._path(kind, identifier).unlink(missing_ok=True)

    def _path(self, kind: str, identifier: str) -> Path:
        return self._folder / kind / f"{identifier}.json"  # a manifest's id has nothing but hexadecimal digits

    def _read(self, kind: str, identifier: str) -> Mapping[str, Any] | None:
        try:
            document = json.loads(self._path(kind, identifier).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None

    def _write(self, kind: str, identifier: str, document: Mapping[str, Any]) -> None:
        path = self._path(kind, identifier)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f".{identifier}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
