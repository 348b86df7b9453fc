"""Chance that depends on (random seed, collection, number) alone."""

from __future__ import annotations

from collections import Counter

import pytest

from wayra_db.seeds.generate.draws import RANGE, drawer, permuter, ranker
from wayra_db.seeds.generate.identity import Target, made_id


def test_draws_are_the_same_for_ever() -> None:
    """These numbers were written down: other ones would change everybody's documents."""
    assert drawer(7, "users", 3)(4711) == (1539873710, 4095282026, 598582476)
    assert drawer(7, "users", 3)(4711) != drawer(8, "users", 3)(4711) != drawer(7, "trips", 3)(4711)


@pytest.mark.parametrize("room", [1, 2, 3, 10, 97, 1000, 4096])
def test_a_permutation_reaches_each_value_once(room: int) -> None:
    """Whatever the number of values."""
    a, b = permuter(7, "users.email", room)
    assert {(a * index + b) % room for index in range(room)} == set(range(room))


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 1.5])
@pytest.mark.parametrize("count", [1, 2, 10, 1000])
def test_ranks_stay_below_the_count(count: int, exponent: float) -> None:
    """At both ends of the draws, and every rank can come."""
    rank = ranker(count, exponent)
    assert rank(0) == 0
    assert {rank(0), rank(RANGE - 1)} <= set(range(count))
    if exponent:
        assert rank(RANGE - 1) == count - 1


def test_few_are_referred_to_by_many() -> None:
    """The first of a thousand more often than the last hundred, and without an exponent all alike."""
    draws = range(0, RANGE, RANGE // 20_000)
    uneven = Counter(map(ranker(1000, 1.0), draws))
    assert uneven[0] > sum(uneven[rank] for rank in range(900, 1000))
    even = Counter(map(ranker(1000, 0), draws))
    assert max(even.values()) < 3 * min(even.values())


def test_an_id_says_what_made_it() -> None:
    """The number can be read in it, and references work it out."""
    made = made_id(7, "users", 4711)
    assert str(made) == "5eed30e2a990000000004711"
    assert Target.made(7, "users", 5000).element(b"owner\0")(4710) == b"\x07owner\0" + made.binary
    assert Target.found([3, "x"]).element(b"o\0")(1) == b"\x02o\0\x02\0\0\0x\0"
