"""Writes backups in the format of docs/reference/backup-format.md from plain documents, for tests of readers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
from bson import json_util

from wayra_db.backups.codecs import CODECS, checksum
from wayra_db.backups.folder import NewFolder, new_folder
from wayra_db.backups.manifest import (
    FILE,
    Codec,
    CollectionEntry,
    Consistency,
    Kind,
    LeftOut,
    Manifest,
    Reason,
    Source,
    to_json,
)
from wayra_db.backups.names import file_stem

ID_INDEX: Mapping[str, Any] = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
DOCUMENTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "users": [{"_id": n, "email": f"user{n}@example.com", "tags": ["a", {"b": n}]} for n in range(40)],
    "trips": [{"_id": f"trip{n}", "days": [datetime(2026, 1, 1 + n, tzinfo=UTC)], "note": "ü" * n} for n in range(9)],
    "empty": [],
}


def extended(value: Any) -> Any:
    """As canonical Extended JSON, parsed."""
    return json.loads(json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS))


def write_backup(
    parent: Path,
    name: str,
    documents: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    *,
    database: str = "wayra",
    environment: str = "development",
    created_at: datetime = datetime(2026, 11, 25, 2, 15, tzinfo=UTC),
    codec: Codec = "zstd",
    reason: Reason = "manual",
    recipients: Sequence[str] = (),
    redacted: bool = False,
    left_out: Sequence[LeftOut] = (),
    documents_in_frame: int = 7,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    indexes: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    applied: Sequence[int] = (),
    identifier: str | None = None,
) -> Manifest:
    """Write a whole backup; returns its manifest."""
    entries = []
    with new_folder(parent, name) as folder:
        for collection, found in (DOCUMENTS if documents is None else documents).items():
            entries.append(
                _collection(
                    folder,
                    database,
                    collection,
                    found,
                    codec=codec,
                    recipients=recipients,
                    size=documents_in_frame,
                    kind=(kinds or {}).get(collection, "collection"),
                    options=(options or {}).get(collection, {}),
                    indexes=(indexes or {}).get(collection, [ID_INDEX]),
                )
            )
        manifest = Manifest(
            id=identifier or hashlib.md5(f"{name}{created_at}".encode()).hexdigest(),
            name=name,
            created_at=created_at,
            finished_at=created_at,
            tool_version="1.2.3",
            source=Source(database, environment, "mongodb://localhost", "6.0.5", "6.0", "replica set"),
            consistency=Consistency("snapshot", (1764036900, 1)),
            codec=codec,
            reason=reason,
            level=CODECS[codec].default_level,
            recipients=tuple(recipients),
            redacted=redacted,
            applied=tuple(applied),
            collections=tuple(entries),
            files=dict(folder.files),
            left_out=tuple(left_out),
        )
        folder.write(FILE, to_json(manifest).encode())
    return manifest


def _collection(
    folder: NewFolder,
    database: str,
    name: str,
    documents: Sequence[Mapping[str, Any]],
    *,
    codec: Codec,
    recipients: Sequence[str],
    size: int,
    kind: Kind,
    options: Mapping[str, Any],
    indexes: Sequence[Mapping[str, Any]],
) -> CollectionEntry:
    stem, pack, age = file_stem(name), CODECS[codec], ".age" if recipients else ""
    metadata = f"{database}/{stem}.metadata.json{'.gz' if codec == 'gzip' else ''}"
    content = json.dumps({"options": extended(options), "indexes": extended(indexes), "collectionName": name}).encode()
    folder.write(metadata, bytes(pack.pack(content, 1)) if codec == "gzip" else content)
    if kind == "view":
        return CollectionEntry(name, kind, extended(options), [], metadata)
    frames, content, whole = [], b"", b""
    for first in range(0, len(documents), size):
        some = [bson.encode(document) for document in documents[first : first + size]]
        raw = b"".join(some)
        frame = pack.pack(raw, pack.default_level)
        frames.append([len(content), len(frame), len(raw), len(some), checksum(raw)])
        content, whole = content + frame, whole + raw
    data = f"{database}/{stem}.bson{pack.ending}{age}"
    index = f"frames/{stem}.bson{pack.ending}.json"
    folder.write(data, _sealed(content, recipients))
    folder.write(index, json.dumps({"format": 1, "frames": frames}).encode())
    return CollectionEntry(
        name,
        kind,
        extended(options),
        extended(indexes),
        metadata,
        uuid="00" * 16,
        documents=len(documents),
        bytes=len(whole),
        sha256=hashlib.sha256(whole).hexdigest(),
        data=data,
        frames=index,
    )


def _sealed(content: bytes, recipients: Sequence[str]) -> bytes:
    if not recipients:
        return content
    import pyrage  # type: ignore[import-untyped]  # it ships no types

    sealed: bytes = pyrage.encrypt(content, [pyrage.x25519.Recipient.from_str(one) for one in recipients])
    return sealed
