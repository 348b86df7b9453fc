"""What a backup says of itself: `manifest.json`, as written down in the reference page of the format. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

from wayra_db.backups import shape

FORMAT = 1
FILE = "manifest.json"

Codec = Literal["zstd", "gzip", "none"]
Kind = Literal["collection", "timeseries", "view"]
Reason = Literal["manual", "safety", "migration"]
ConsistencyKind = Literal["snapshot", "oplog", "none"]
CollectionMoment = Literal["snapshot", "oplog", "own"]


class ManifestError(ValueError):
    """The text is no manifest that this version can read."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a backup comes from; `address` carries no password."""

    database: str
    environment: str
    address: str = ""
    server_version: str = ""
    feature_compatibility_version: str | None = None
    topology: str = ""


@dataclass(frozen=True, slots=True)
class Consistency:
    """Whether all collections are of one moment: `at`, as the server's (seconds, increment); `note` says why not.

    A single collection may be of a time of its own all the same: see `Manifest.apart`.
    """

    kind: ConsistencyKind
    at: tuple[int, int] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file's size in bytes and its SHA-256, in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class CollectionEntry:
    """One collection: what it is, how much of it there is, in which files. Options and indexes are Extended JSON.

    `moment` is what makes it one of the backup's moment: `own` that nothing does; None for a view, and where it is not
    said.
    """

    name: str
    kind: Kind
    options: Mapping[str, Any]
    indexes: Sequence[Mapping[str, Any]]
    metadata: str
    uuid: str | None = None
    documents: int = 0
    bytes: int = 0
    sha256: str = ""
    data: str | None = None
    frames: str | None = None
    moment: CollectionMoment | None = None


@dataclass(frozen=True, slots=True)
class OplogEntry:
    """The oplog slice: where it lies, how much it is, and the positions it reaches from and to, both included."""

    data: str
    frames: str
    documents: int
    bytes: int
    sha256: str
    begin: tuple[int, int]
    end: tuple[int, int]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A collection that is not in the backup, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A whole manifest."""

    id: str
    name: str
    created_at: datetime
    finished_at: datetime
    tool_version: str
    source: Source
    consistency: Consistency
    codec: Codec
    reason: Reason = "manual"
    level: int | None = None
    recipients: tuple[str, ...] = ()
    redacted: bool = False
    redactions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    applied: tuple[int, ...] = ()
    collections: tuple[CollectionEntry, ...] = ()
    oplog: OplogEntry | None = None
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()

    @property
    def encrypted(self) -> bool:
        """Whether the data files are."""
        return bool(self.recipients)

    @property
    def documents(self) -> int:
        """How many documents all collections have."""
        return sum(one.documents for one in self.collections)

    @property
    def apart(self) -> tuple[str, ...]:
        """The collections that are of a time of their own, where the others are of one moment."""
        if self.consistency.kind == "none":
            return ()
        return tuple(one.name for one in self.collections if one.moment == "own")

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(one.size for one in self.files.values())

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the file, without its digest."""
        source, consistency = self.source, self.consistency
        return {
            "format": FORMAT,
            "id": self.id,
            "name": self.name,
            "reason": self.reason,
            "createdAt": self.created_at.isoformat(),
            "finishedAt": self.finished_at.isoformat(),
            "tool": {"name": "wayra-db", "version": self.tool_version},
            "source": {
                "database": source.database,
                "environment": source.environment,
                "address": source.address,
                "serverVersion": source.server_version,
                "featureCompatibilityVersion": source.feature_compatibility_version,
                "topology": source.topology,
            },
            "consistency": {
                "kind": consistency.kind,
                "at": list(consistency.at) if consistency.at else None,
                "note": consistency.note,
            },
            "compression": {"codec": self.codec, "level": self.level},
            "encryption": {"format": "age", "recipients": list(self.recipients)} if self.recipients else None,
            "redacted": self.redacted,
            "redactions": {name: dict(paths) for name, paths in self.redactions.items()},
            "migrations": {"applied": list(self.applied), "newest": max(self.applied, default=None)},
            "collections": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "moment": one.moment,
                    "uuid": one.uuid,
                    "options": dict(one.options),
                    "indexes": [dict(index) for index in one.indexes],
                    "documents": one.documents,
                    "bytes": one.bytes,
                    "sha256": one.sha256,
                    "data": one.data,
                    "metadata": one.metadata,
                    "frames": one.frames,
                }
                for one in self.collections
            ],
            "oplog": None
            if self.oplog is None
            else {
                "data": self.oplog.data,
                "frames": self.oplog.frames,
                "documents": self.oplog.documents,
                "bytes": self.oplog.bytes,
                "sha256": self.oplog.sha256,
                "begin": list(self.oplog.begin),
                "end": list(self.oplog.end),
            },
            "files": {path: {"size": file.size, "sha256": file.sha256} for path, file in sorted(self.files.items())},
            "leftOut": [{"name": one.name, "reason": one.reason} for one in self.left_out],
        }


def to_json(manifest: Manifest) -> str:
    """The text of the file, with its digest."""
    document = manifest.to_dict()
    return _written({**document, "digest": _digest(document)})


def from_json(content: bytes | str) -> Manifest:
    """The manifest that a file holds. Raises ManifestError with what is wrong, also for a wrong digest.

    A file in which any byte was changed is refused, also where the change means nothing as JSON.
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
        document = json.loads(text)
        if not isinstance(document, dict):
            raise ManifestError("it is no JSON object")
        if document.get("format") != FORMAT:
            raise ManifestError(f"its format is {document.get('format')!r}, and this version reads {FORMAT}")
        changed = text != _written(document)
        stated = document.pop("digest", None)
        if changed or stated != _digest(document):
            raise ManifestError("it was changed after it was written: its digest or its form does not match")
        if problem := SHAPE(document, ""):
            raise ManifestError(f"it cannot be read: {problem}")
        return _manifest(document)
    except ManifestError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ManifestError(f"it cannot be read: {type(error).__name__}: {error}") from error


def _written(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def digest(manifest: Manifest) -> str:
    """The digest that stands in the manifest's file; tells one backup, as it is, from every other."""
    return _digest(manifest.to_dict())


def _digest(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


_HASH = shape.matching(r"[0-9a-f]{64}", "a SHA-256 in hexadecimal")
_COLLECTION = shape.Fields(
    {
        "name": shape.text,
        "kind": shape.one_of(get_args(Kind)),
        "uuid": shape.optional(shape.text),
        "options": shape.Map(shape.anything),
        "indexes": shape.Each(shape.Map(shape.anything)),
        "documents": shape.number,
        "bytes": shape.number,
        "sha256": shape.text,  # empty for a view, which has no data
        "data": shape.optional(shape.text),
        "metadata": shape.text,
        "frames": shape.optional(shape.text),
    }
)
SHAPE = shape.Fields(
    {
        "id": shape.matching(r"[0-9a-f]{32}", "32 hexadecimal digits"),
        "name": shape.text,
        "reason": shape.one_of(get_args(Reason)),
        "createdAt": shape.moment,
        "finishedAt": shape.moment,
        "tool": shape.Fields({"version": shape.text}),
        "source": shape.Fields(
            {
                "database": shape.text,
                "environment": shape.text,
                "address": shape.text,
                "serverVersion": shape.text,
                "featureCompatibilityVersion": shape.optional(shape.text),
                "topology": shape.text,
            }
        ),
        "consistency": shape.Fields(
            {
                "kind": shape.one_of(get_args(ConsistencyKind)),
                "at": shape.optional(shape.pair),
                "note": shape.text,
            }
        ),
        "compression": shape.Fields({"codec": shape.one_of(get_args(Codec)), "level": shape.optional(shape.number)}),
        "encryption": shape.optional(shape.Fields({"recipients": shape.Each(shape.text)})),
        "redacted": shape.switch,
        "redactions": shape.Map(shape.Map(shape.text)),
        "migrations": shape.Fields({"applied": shape.Each(shape.number)}),
        "collections": shape.Each(_COLLECTION),
        "oplog": shape.optional(
            shape.Fields(
                {
                    "data": shape.text,
                    "frames": shape.text,
                    "documents": shape.number,
                    "bytes": shape.number,
                    "sha256": _HASH,
                    "begin": shape.pair,
                    "end": shape.pair,
                }
            )
        ),
        "files": shape.Map(shape.Fields({"size": shape.number, "sha256": _HASH})),
        "leftOut": shape.Each(shape.Fields({"name": shape.text, "reason": shape.text})),
    }
)


def _manifest(document: Mapping[str, Any]) -> Manifest:
    source, consistency = document["source"], document["consistency"]
    at = consistency["at"]
    return Manifest(
        id=document["id"],
        name=document["name"],
        reason=document["reason"],
        created_at=datetime.fromisoformat(document["createdAt"]),
        finished_at=datetime.fromisoformat(document["finishedAt"]),
        tool_version=document["tool"]["version"],
        source=Source(
            database=source["database"],
            environment=source["environment"],
            address=source["address"],
            server_version=source["serverVersion"],
            feature_compatibility_version=source["featureCompatibilityVersion"],
            topology=source["topology"],
        ),
        consistency=Consistency(consistency["kind"], (at[0], at[1]) if at else None, consistency["note"]),
        codec=document["compression"]["codec"],
        level=document["compression"]["level"],
        recipients=tuple((document["encryption"] or {"recipients": ()})["recipients"]),
        redacted=document["redacted"],
        redactions=document["redactions"],
        applied=tuple(document["migrations"]["applied"]),
        collections=tuple(_collection(one) for one in document["collections"]),
        oplog=None if document["oplog"] is None else _oplog(document["oplog"]),
        files={safe_path(path): FileEntry(file["size"], file["sha256"]) for path, file in document["files"].items()},
        left_out=tuple(LeftOut(one["name"], one["reason"]) for one in document["leftOut"]),
    )


def _collection(one: Mapping[str, Any]) -> CollectionEntry:
    return CollectionEntry(
        name=one["name"],
        kind=one["kind"],
        options=one["options"],
        indexes=one["indexes"],
        metadata=safe_path(one["metadata"]),
        uuid=one["uuid"],
        documents=one["documents"],
        bytes=one["bytes"],
        sha256=one["sha256"],
        data=None if one["data"] is None else safe_path(one["data"]),
        frames=None if one["frames"] is None else safe_path(one["frames"]),
        moment=one["moment"] if one.get("moment") in get_args(CollectionMoment) else None,
    )


def _oplog(one: Mapping[str, Any]) -> OplogEntry:
    return OplogEntry(
        data=safe_path(one["data"]),
        frames=safe_path(one["frames"]),
        documents=one["documents"],
        bytes=one["bytes"],
        sha256=one["sha256"],
        begin=(one["begin"][0], one["begin"][1]),
        end=(one["end"][0], one["end"][1]),
    )


def safe_path(path: str) -> str:
    """A path within a backup, as it stands in the manifest. Raises ManifestError when it leads out of the folder."""
    parts = PurePosixPath(path).parts
    outside = path.startswith("/") or any(part in ("..", ".") for part in parts)
    if not parts or outside or "\\" in path or min(path) < " ":
        raise ManifestError(f"it names a file outside the backup: {path!r}")
    path.encode()  # raises ValueError for what no file system could name
    return path
