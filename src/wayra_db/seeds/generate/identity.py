"""The `_id` of a made document, which says what made it: `5eed`, a hash of random seed and collection, its number.

    5eed 1a2b3c4d 000000004711

So a reference needs no look-up, the server can work an `_id` out as well, and documents come in the order of the index.
Pure, but for the ids that are read from a collection whose documents nobody made up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bson import ObjectId

_SEED = bytes.fromhex("5eed")


def prefix_of(random_seed: int, collection: str, path: str = "_id") -> bytes:
    """The first six bytes of the ids of a collection, or of another field of type ObjectId."""
    text = f"{random_seed}\n{collection}\n{path}"
    return _SEED + hashlib.blake2b(text.encode(), digest_size=4).digest()


def made_id(random_seed: int, collection: str, number: int) -> ObjectId:
    """The `_id` of the document of this number, counted from 1."""
    from bson import ObjectId

    return ObjectId(prefix_of(random_seed, collection) + bytes.fromhex(f"{number:012d}"))


@dataclass(frozen=True, slots=True)
class Target:
    """A collection that is referred to: `count` made documents, or the ids of those that somebody put there."""

    count: int
    prefix: bytes = b""
    ids: Sequence[Any] = ()

    @classmethod
    def made(cls, random_seed: int, collection: str, count: int, path: str = "_id") -> Target:
        """The first `count` documents that are made with a random seed."""
        return cls(count, prefix_of(random_seed, collection, path))

    @classmethod
    def found(cls, ids: Sequence[Any]) -> Target:
        """Documents that are there."""
        return cls(len(ids), b"", tuple(ids))

    def element(self, key: bytes) -> Callable[[int], bytes]:
        """A function from a number, counted from 0, to an element with the `_id`; `key` is its name and a zero."""
        if self.ids:
            import bson

            elements = [bson.encode({"": one})[4:-1] for one in self.ids]
            named = [one[:1] + key + one[2:] for one in elements]
            return lambda at: named[at]
        head = b"\x07" + key + self.prefix
        return lambda at: head + bytes.fromhex(f"{at + 1:012d}")
