"""Where chance comes from: so many 32-bit numbers for a document, from (random seed, collection, number) alone.

A hash (SHAKE-128), and no generator with a state: any document can be made by itself, in any order, by any worker, on
any machine and day.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable
from itertools import pairwise

RANGE = 1 << 32


def drawer(random_seed: int, collection: str, count: int) -> Callable[[int], tuple[int, ...]]:
    """A function from a document's number to its `count` draws, each from 0 to 2**32 - 1."""
    base = hashlib.shake_128(f"{random_seed}\n{collection}\n".encode())
    unpack = struct.Struct(f"<{count}I").unpack
    size = 4 * count

    def draw(number: int) -> tuple[int, ...]:
        one = base.copy()
        one.update(number.to_bytes(8, "little"))
        return unpack(one.digest(size))

    return draw


def permuter(random_seed: int, name: str, room: int) -> tuple[int, int]:
    """`a` and `b` of the permutation `(a * i + b) % room`, which reaches each of `room` values once.

    `a` is small enough for the server to compute it as well, in 64 bits.
    """
    digest = hashlib.blake2b(f"{random_seed}\n{name}".encode(), digest_size=8).digest()
    a = 1 + int.from_bytes(digest[:2], "little") % max(1, min(room - 1, 65_000))
    while math.gcd(a, room) != 1:
        a += 1
    return a, int.from_bytes(digest[2:6], "little") % room


_SEGMENTS = 1 << 12
_WITHIN = RANGE // _SEGMENTS


def ranker(count: int, exponent: float) -> Callable[[int], int]:
    """A function from a draw to a rank below `count`, the lower the likelier (Zipf's law)."""
    if exponent == 0 or count < 2:
        return lambda draw: draw % count
    # The curve in so many straight pieces: a table is three times as quick as a power, and reaches every rank.
    starts = [min(int(_curve(at / _SEGMENTS, count, exponent)), count - 1) for at in range(_SEGMENTS)] + [count]
    pieces = [(start, max(after - start, 1)) for start, after in pairwise(starts)]

    def rank(draw: int) -> int:
        start, size = pieces[draw // _WITHIN]
        return start + draw % _WITHIN * size // _WITHIN

    return rank


def _curve(share: float, count: int, exponent: float) -> float:
    """The rank below which so large a share of all draws falls."""
    if exponent == 1:
        return float((count + 1) ** share) - 1
    power = 1 - exponent
    return float((((count + 1) ** power - 1) * share + 1) ** (1 / power)) - 1
