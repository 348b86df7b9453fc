"""Strings made from regular expressions: they match, are as long as asked, and are numbered without a repetition."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayra_db.seeds.generate.patterns import Pattern, nth
from wayra_db.seeds.generate.unsupported import UnsupportedError

PATTERNS = [
    r"^[A-Z]{3}$",
    r"^[^@\s]+@[^@\s]+$(?!\n)",
    r"^\d{4}-\d{2}-\d{2}T?$",
    r"(cat|dog)s?",
    r"^x{5,}$",
    r"^\S+( \S+)*$",
    r"^[^\d]*$",
    r"(?i)^abc$",
    r"^(?=.*\d)[a-z\d]{6,8}$",
    r"^é[à-ü]+$",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_samples_match(pattern: str) -> None:
    """And are the same for the same seed."""
    found = Pattern(pattern).samples(Random(1), 50)
    assert found
    assert len(found) == len(set(found))
    assert all(re.search(pattern, text) for text in found)
    assert Pattern(pattern).samples(Random(1), 50) == found


@given(least=st.integers(0, 60), more=st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_lengths_are_kept(least: int, more: int) -> None:
    """Where a repetition can give them, or the pattern leaves room beside itself."""
    for pattern in (r"^[a-z]+\d*$", r"q", r"^a", r"b$"):
        for text in Pattern(pattern, least, least + more + 2).samples(Random(2), 10):
            assert least <= len(text) <= least + more + 2
            assert re.search(pattern, text)


@pytest.mark.parametrize("pattern", [r"^[A-Z]{2}\d$", r"^[^@\s]+@[^@\s]+$(?!\n)", r"^(a|b)[cd]{2,4}$"])
def test_the_strings_of_a_shape_are_numbered(pattern: str) -> None:
    """Each once, all of them matching."""
    shape = Pattern(pattern).widest(Random(3), 10**9)
    room = 1
    for letters in shape:
        room *= len(letters)
    numbers = range(room) if room < 5000 else range(0, room, room // 2000)
    texts = [nth(shape, number) for number in numbers]
    assert len(set(texts)) == len(texts)
    assert all(re.search(pattern, text) for text in texts)


@pytest.mark.parametrize(
    ("pattern", "bounds", "said"),
    [
        (r"^(a)\1$", (0, None), "uses groupref"),
        (r"^[A-Z]{3}$", (4, None), "no string of 4 to any number of characters"),
        (r"^\p{L}+$", (0, None), "cannot be read here"),
        (r"^(?=x)y$", (0, None), "no string"),
        (r"(?i:abc)", (0, None), "sets flags inside"),
    ],
)
def test_what_cannot_be_made_is_named(pattern: str, bounds: tuple[int, int | None], said: str) -> None:
    """With the pattern and the reason."""
    with pytest.raises(UnsupportedError, match=re.escape(said)) as caught:
        Pattern(pattern, *bounds).samples(Random(1), 3)
    assert caught.value.keyword == "pattern"


def test_a_unique_field_does_not_look_ahead() -> None:
    """Its strings could not be numbered."""
    with pytest.raises(UnsupportedError, match="looks ahead"):
        Pattern(r"^(?=.*\d)[a-z\d]{6,8}$").widest(Random(1), 100)
