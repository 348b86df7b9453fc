"""Whether two places hold the same documents, whatever their order: a sum of hashes over the documents' bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from wayra_db.backups.batches import next_batch_size
from wayra_db.backups.budget import Budget
from wayra_db.backups.documents import LARGEST
from wayra_db.backups.moment import Moment
from wayra_db.backups.reading import Reading, read
from wayra_db.mongo.client import Deployment

MASK = (1 << 64) - 1

_read_length = struct.Struct("<i").unpack_from


@dataclass(frozen=True, slots=True)
class Content:
    """How many documents there are, their bytes, and the sum of their hashes.

    The hash is Python's own of bytes, SipHash with a key of this process: to be compared here and now, not stored.
    """

    documents: int = 0
    bytes: int = 0
    sum: int = 0

    def __add__(self, other: Content) -> Content:
        return Content(self.documents + other.documents, self.bytes + other.bytes, (self.sum + other.sum) & MASK)


def content_of(run: bytes | memoryview) -> Content:
    """The content of a run of whole documents."""
    offset, end, documents, total = 0, len(run), 0, 0
    while offset < end:
        (size,) = _read_length(run, offset)
        following = offset + size
        total += hash(bytes(run[offset:following]))
        documents += 1
        offset = following
    return Content(documents, end, total & MASK)


def read_content(
    deployment: Deployment, collection: str, expected: Content, budget: Budget, step: Callable[[], None]
) -> Content:
    """The content of a collection as it is now, read once; `step` is called now and then and may raise. What is
    `expected` says how many documents a reply may have to be of a moderate size, and `budget` bounds the bytes that all
    who share it hold.
    """
    found = Content()
    reading = Reading(collection, None, Moment(), first_bytes=min(expected.bytes, LARGEST))
    with closing(read(deployment, reading, next_batch_size(expected.documents, expected.bytes), budget)) as runs:
        for run in runs:
            found += content_of(run.data)
            step()
            del run
    return found
