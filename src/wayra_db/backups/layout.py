"""Where the files of a backup lie, and the small ones as `mongodump` writes them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wayra_db.backups.codecs import CODECS
from wayra_db.backups.definitions import Definition
from wayra_db.backups.manifest import Codec
from wayra_db.backups.names import file_stem

OPLOG_FRAMES = "$oplog"  # no collection can have this name


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths within a backup of one database."""

    database: str
    codec: Codec
    encrypted: bool = False

    @property
    def _ending(self) -> str:
        return f".bson{CODECS[self.codec].ending}"

    @property
    def _sealed(self) -> str:
        return ".age" if self.encrypted else ""

    def data(self, source: str) -> str:
        """The documents of a collection; of a time series, those of its buckets."""
        return f"{self.database}/{file_stem(source)}{self._ending}{self._sealed}"

    def frames(self, source: str) -> str:
        """The list of frames of a data file."""
        return f"frames/{file_stem(source)}{self._ending}.json"

    @property
    def oplog_data(self) -> str:
        """The oplog slice."""
        return f"oplog{self._ending}{self._sealed}"

    @property
    def oplog_frames(self) -> str:
        """Its list of frames."""
        return f"frames/{OPLOG_FRAMES}{self._ending}.json"

    def metadata(self, name: str) -> str:
        """Options and indexes of a collection."""
        return f"{self.database}/{file_stem(name)}.metadata.json{self._small_ending}"

    @property
    def prelude(self) -> str:
        """Which server and tool the files come from."""
        return f"{self.database}/prelude.json{self._small_ending}"

    @property
    def _small_ending(self) -> str:
        return ".gz" if self.codec == "gzip" else ""

    def small(self, text: str) -> bytes:
        """The content of a metadata or prelude file: `mongorestore --gzip` expects those to be compressed as well."""
        content = text.encode()
        return bytes(CODECS["gzip"].pack(content, None)) if self.codec == "gzip" else content


def extended(value: Mapping[str, Any]) -> dict[str, Any]:
    """A decoded document as canonical Extended JSON."""
    from bson import json_util

    document: dict[str, Any] = json.loads(json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS))
    return document


def metadata_text(one: Definition) -> str:
    """A metadata file, as mongodump has it."""
    document: dict[str, Any] = {"options": extended(one.options)} if one.options else {}
    document["indexes"] = [extended(index) for index in one.indexes]
    if one.kind == "collection" and one.uuid is not None:
        document["uuid"] = one.uuid.hex()
    document |= {"collectionName": one.name, "type": one.kind}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def prelude_text(server_version: str, tool_version: str) -> str:
    """A prelude file."""
    return json.dumps(
        {"ServerVersion": server_version, "ToolVersion": f"wayra-db {tool_version}"}, separators=(",", ":")
    )
