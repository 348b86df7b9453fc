"""Whether two places hold the same documents, whatever their order: a sum of hashes over the documents' bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from wayra_db.mongo.client import Document

MASK = (1 << 64) - 1
MOST = 1000  # documents a reply
REPLY = 1 << 20  # about so many bytes

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


def content_of(run: bytes) -> Content:
    """The content of a run of whole documents."""
    offset, end, documents, total = 0, len(run), 0, 0
    while offset < end:
        (size,) = _read_length(run, offset)
        following = offset + size
        total += hash(run[offset:following])
        documents += 1
        offset = following
    return Content(documents, end, total & MASK)


def read_content(collection: Collection[Document], expected: Content, step: Callable[[], None]) -> Content:
    """The content of a collection as it is now, read once in its natural order; `step` is called now and then and may
    raise. What is `expected` says how many documents a reply may have to be of a moderate size.
    """
    size = max(1, min(MOST, REPLY * expected.documents // max(1, expected.bytes)))
    found = Content()
    batches: Iterator[Any] = collection.find_raw_batches({}, batch_size=size, sort=[("$natural", 1)])
    for batch in batches:  # each the bytes of whole documents, whatever the driver's types say
        found += content_of(batch)
        step()
    return found
