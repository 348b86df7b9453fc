"""Backups for tests: our format, written from plain documents by nothing but its reference page.

Kept apart from the package's own writer on purpose: what is restored here shows that the page says enough.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bson
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps

from wayra_db.backups.codecs import CODECS
from wayra_db.backups.manifest import Codec

FRAME = 64 * 1024


@dataclass(frozen=True)
class Made:
    """A collection for a backup: raw documents, or for a view none. Options and indexes are plain values."""

    name: str
    documents: Sequence[bytes] = ()
    kind: str = "collection"
    options: Mapping[str, Any] = field(default_factory=dict)
    indexes: Sequence[Mapping[str, Any]] = ({"v": 2, "key": {"_id": 1}, "name": "_id_"},)


def raw(*documents: Mapping[str, Any]) -> list[bytes]:
    """Documents as BSON."""
    return [bson.encode(document) for document in documents]


def write_backup(
    folder: Path,
    name: str,
    collections: Sequence[Made],
    *,
    database: str = "source",
    environment: str = "development",
    codec: Codec = "zstd",
    redactions: Mapping[str, Mapping[str, str]] | None = None,
    applied: Sequence[int] = (),
    oplog: Sequence[bytes] = (),
    reason: str = "manual",
    recipients: Sequence[str] = (),
    created_at: datetime | None = None,
    frame_bytes: int = FRAME,
) -> Path:
    """A backup in our format, as the reference page has it; returns its folder."""
    place = folder / name
    files: dict[str, dict[str, Any]] = {}
    ending = {"zstd": ".zst", "gzip": ".gz", "none": ""}[codec]

    def put(path: str, content: bytes) -> None:
        target = place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        files[path] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    def put_text(path: str, value: Any) -> str:
        text = json.dumps(value).encode()
        packed = codec == "gzip" and not path.startswith("frames/")
        path += ".gz" if packed else ""
        put(path, gzip.compress(text, mtime=0) if packed else text)
        return path

    def put_documents(stem: str, documents: Sequence[bytes]) -> tuple[str, str]:
        packed, frames, pending = b"", [], b""
        count = 0
        for number, document in enumerate(documents):
            pending += document
            count += 1
            if len(pending) >= frame_bytes or number == len(documents) - 1:
                frame = CODECS[codec].pack(pending, CODECS[codec].default_level)
                frames.append([len(packed), len(frame), len(pending), count, f"{zlib.crc32(pending):08x}"])
                packed, pending, count = packed + frame, b"", 0
        data = f"oplog.bson{ending}" if stem == "$oplog" else f"{database}/{stem}.bson{ending}"
        if recipients:
            import pyrage  # type: ignore[import-untyped]

            packed = pyrage.encrypt(packed, [pyrage.x25519.Recipient.from_str(one) for one in recipients])
        put(data + (".age" if recipients else ""), packed)
        table = put_text(f"frames/{stem}.bson{ending}.json", {"format": 1, "frames": frames})
        return data + (".age" if recipients else ""), table

    entries = []
    for made in collections:
        stem = quote(made.name, safe="-_.~$&+:=@")
        options = json.loads(dumps(made.options, json_options=CANONICAL_JSON_OPTIONS))
        indexes = json.loads(dumps(list(made.indexes), json_options=CANONICAL_JSON_OPTIONS))
        view = made.kind == "view"
        indexes = [] if view else indexes
        prefix = "system.buckets." if made.kind == "timeseries" else ""
        data, frames = (None, None) if view else put_documents(prefix + stem, made.documents)
        metadata = put_text(
            f"{database}/{stem}.metadata.json",
            {"options": options, "indexes": indexes, "collectionName": made.name, "type": made.kind},
        )
        content = b"".join(made.documents)
        entries.append(
            {
                "name": made.name,
                "kind": made.kind,
                "uuid": None if view else "00" * 16,
                "options": options,
                "indexes": indexes,
                "documents": len(made.documents),
                "bytes": len(content),
                "sha256": "" if view else hashlib.sha256(content).hexdigest(),
                "data": data,
                "metadata": metadata,
                "frames": frames,
            }
        )
    slice_ = None
    if oplog:
        data, frames = put_documents("$oplog", oplog)
        slice_ = {
            "data": data,
            "frames": frames,
            "documents": len(oplog),
            "bytes": sum(map(len, oplog)),
            "sha256": hashlib.sha256(b"".join(oplog)).hexdigest(),
            "begin": [1, 1],
            "end": [1, 2],
        }
    now = (created_at or datetime.now(UTC)).isoformat()
    manifest: dict[str, Any] = {
        "format": 1,
        "id": "0123456789abcdef" * 2,
        "name": name,
        "reason": reason,
        "createdAt": now,
        "finishedAt": now,
        "tool": {"name": "wayra-db", "version": "0"},
        "source": {
            "database": database,
            "environment": environment,
            "address": "",
            "serverVersion": "6.0.5",
            "featureCompatibilityVersion": "6.0",
            "topology": "replica set",
        },
        "consistency": {"kind": "oplog" if oplog else "snapshot", "at": [1, 1], "note": ""},
        "compression": {"codec": codec, "level": CODECS[codec].default_level},
        "encryption": {"format": "age", "recipients": list(recipients)} if recipients else None,
        "redacted": redactions is not None,
        "redactions": {key: dict(paths) for key, paths in (redactions or {}).items()},
        "migrations": {"applied": list(applied), "newest": max(applied, default=None)},
        "collections": entries,
        "oplog": slice_,
        "files": dict(sorted(files.items())),
        "leftOut": [],
    }
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    manifest["digest"] = hashlib.sha256(canonical.encode()).hexdigest()
    (place / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return place
