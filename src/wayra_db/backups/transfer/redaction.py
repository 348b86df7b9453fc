"""Masks on the documents of an export: applied by the server, tokens filled in behind it; a seam to `redact`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wayra_db.backups.batches import Run
from wayra_db.backups.documents import count
from wayra_db.backups.redact import Masker, Redaction
from wayra_db.schema.collection import Collection


@dataclass(frozen=True, slots=True)
class Masked:
    """How the documents of one collection are read, masked with a secret of this export alone."""

    masker: Masker
    redaction: Redaction

    def stages(self, projection: Mapping[str, int] | None) -> list[dict[str, Any]]:
        """The pipeline that masks; a projection is made before it, so that what is left out needs no mask."""
        first = [{"$project": dict(projection)}] if projection else []
        return [*first, *(dict(stage) for stage in self.redaction.pipeline)]

    def finish(self, batch: bytes) -> bytes:
        """A run of documents with tokens in the place of what the server has put there."""
        return bytes(self.masker.fill(Run(batch, count(batch)), self.redaction).data)


def mask(collection: Collection, *, literal_names: bool) -> Masked:
    """The masks that a declaration asks for. Raises ConfigError for a path that cannot be masked."""
    masker = Masker()
    return Masked(masker, masker.redaction(collection.sensitive, literal_names=literal_names))
