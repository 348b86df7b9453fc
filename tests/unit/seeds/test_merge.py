from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.seeds.merge import first, merge
from wayra_db.seeds.values import digest

FIELDS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([b"1", b"2", b"3"]))


@pytest.mark.parametrize(
    ("wanted", "live", "last", "expected"),
    [
        (b"1", b"1", None, "same"),
        (b"1", None, None, "set"),
        (b"2", b"1", b"1", "set"),
        (b"1", b"2", b"1", "kept"),
        (b"3", b"2", b"1", "kept"),
        (b"1", b"2", None, "kept"),
        (b"1", None, b"1", "kept"),
        (b"2", b"2", b"1", "same"),
        (None, b"1", b"1", "unset"),
        (None, b"2", b"1", "left"),
        (None, None, b"1", "left"),
        (None, b"1", None, "left"),
    ],
)
def test_one_field(wanted: bytes | None, live: bytes | None, last: bytes | None, expected: str) -> None:
    """The three states of a field, and what becomes of it."""
    found = merge(
        {} if wanted is None else {"x": wanted},
        {} if live is None else {"x": live},
        {} if last is None else {"x": digest(last)},
    )
    told = {"set": found.set, "unset": found.unset, "kept": found.kept}
    assert [name for name, fields in told.items() if fields] == ([expected] if expected in told else [])
    remembered = {"set": wanted, "same": wanted, "kept": last}.get(expected)
    assert found.remember == ({} if remembered is None else {"x": digest(remembered)})


def test_the_fields_of_the_key_are_left_alone() -> None:
    """They found the document, so they are equal as the server sees it."""
    found = merge({"_id": b"1", "email": b"1"}, {"_id": b"2", "email": b"2"}, {}, fixed={"_id", "email"})
    assert (found.changes, found.kept, found.remember) == (False, (), {})
    assert first({"_id": b"1", "x": b"2"}) == {"x": digest(b"2")}


@given(FIELDS, FIELDS, FIELDS)
def test_a_second_run_changes_nothing(wanted: dict[str, bytes], live: dict[str, bytes], last: dict[str, bytes]) -> None:
    """What a merge leaves is what the next one finds, with and without keeping edits."""
    for keep_edits in (True, False):
        found = merge(wanted, live, {name: digest(value) for name, value in last.items()}, keep_edits=keep_edits)
        after = {**live, **{name: wanted[name] for name in found.set}}
        for name in found.unset:
            del after[name]
        again = merge(wanted, after, found.remember, keep_edits=keep_edits)
        assert not again.changes
        assert again.kept == found.kept
        assert again.remember == found.remember
        if not keep_edits:
            assert found.kept == ()
            assert {name: after[name] for name in wanted} == wanted
