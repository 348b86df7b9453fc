from __future__ import annotations

import random

import pytest

from wayra_db.backups.crc64 import Checker, StreamChecker, TableChecker, checker

CHECK = 0x995DC9BBDF1939FA  # of b"123456789", as published for CRC-64/XZ


@pytest.fixture(params=["stream", "table"])
def make(request: pytest.FixtureRequest) -> type[Checker]:
    """Both ways to check."""
    if request.param == "table":
        return TableChecker
    assert isinstance(checker(), StreamChecker)
    return checker  # type: ignore[return-value]


def test_the_published_value(make: type[Checker]) -> None:
    """In one piece, in several, and as the signed number that archives hold."""
    for pieces in ([b"123456789"], [b"1234", b"", b"56789"]):
        for stated in (CHECK, CHECK - (1 << 64)):
            one = make()
            for piece in pieces:
                one.update(piece)
            assert one.matches(stated)


def test_another_value(make: type[Checker]) -> None:
    """A number that differs in one bit is not taken."""
    one = make()
    one.update(b"123456789")
    assert not one.matches(CHECK ^ 1)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 65535, 65536, 65537, 200_000])
def test_both_ways_agree(size: int) -> None:
    """At the edges of the pieces that the stream is made of."""
    data = random.Random(size).randbytes(size)
    table = TableChecker()
    table.update(data)
    value = table._value ^ ((1 << 64) - 1)
    stream = checker()
    stream.update(data[: size // 2])
    stream.update(memoryview(data)[size // 2 :])
    assert stream.matches(value)
