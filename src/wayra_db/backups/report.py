"""What a verification has found. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from wayra_db.backups.records import VerifyKind
from wayra_db.errors import BackupCorruptError

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: in which file, at which byte of it where that is known, and what."""

    file: str
    what: str
    offset: int | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        at = "" if self.offset is None else f", byte {self.offset:,}"
        return f"{self.file}{at}: {self.what}" if self.file else self.what

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"severity": self.severity, "file": self.file, "offset": self.offset, "what": self.what}


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How a verification of one backup ended.

    `kind` is how far it went; `files`, `size` (bytes) and `documents` are what was looked at. `digest` is the
    manifest's, None when it could not be read or there is none.
    """

    name: str
    place: str
    kind: VerifyKind
    findings: tuple[Finding, ...] = ()
    files: int = 0
    size: int = 0
    documents: int = 0
    digest: str | None = None
    identifier: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; warnings are not wrong."""
        return not any(finding.severity == "error" for finding in self.findings)

    def require_ok(self) -> None:
        """Raise BackupCorruptError with the first finding unless all is well."""
        wrong = [finding for finding in self.findings if finding.severity == "error"]
        if wrong:
            more = f", and {len(wrong) - 1:,} more" if len(wrong) > 1 else ""
            raise BackupCorruptError(
                f"{self.name} is damaged: {wrong[0]}{more}",
                file=wrong[0].file,
                offset=wrong[0].offset,
                hint="Restore another backup; see them: wayra-db backup list.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "place": self.place,
            "ok": self.ok,
            "kind": self.kind,
            "files": self.files,
            "size": self.size,
            "documents": self.documents,
            "findings": [finding.to_dict() for finding in self.findings],
        }
