from __future__ import annotations

import re
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any
from uuid import UUID

import bson
import pytest
from bson import SON, Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import assert_tidy
from wayra_db.errors import MigrationError
from wayra_db.migrations.autogenerate.literals import Literals, import_lines, quoted

LETTERS = st.characters(codec="utf-8")
FLAGS = st.sets(st.sampled_from([re.IGNORECASE, re.MULTILINE, re.DOTALL, re.VERBOSE]))
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(),
    st.text(LETTERS),
    st.binary(),
    st.builds(Binary, st.binary(), st.integers(0, 255)),
    st.binary(min_size=12, max_size=12).map(ObjectId),
    st.datetimes(),
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(timezone(timedelta(hours=-7)))),
    st.integers(-(2**63), 2**63 - 1).map(DatetimeMS),
    st.decimals(allow_nan=False, places=3, min_value=-(10**15), max_value=10**15).map(Decimal128),
    st.binary(min_size=16, max_size=16).map(Decimal128.from_bid),
    st.uuids(),
    st.builds(Timestamp, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.builds(Regex, st.text(LETTERS), st.sets(st.sampled_from("ilmsux")).map("".join)),
    st.builds(lambda text, flags: re.compile(re.escape(text), sum(flags)), st.text(LETTERS), FLAGS),
    st.builds(Code, st.text(LETTERS)),
    st.builds(Code, st.text(LETTERS), st.dictionaries(st.text(LETTERS), st.integers(), max_size=2)),
    st.builds(DBRef, st.text(LETTERS), st.integers(), st.none() | st.text(LETTERS)),
    st.builds(lambda: DBRef("c", 1, extra=[1])),
    st.just(MinKey()),
    st.just(MaxKey()),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(LETTERS), inner, max_size=6),
    max_leaves=25,
)


def written(value: Any) -> str:
    """A module that assigns the value to `VALUE`."""
    literals = Literals()
    lines = literals.lines(value, before="VALUE = ")
    imports = import_lines(literals.imports)
    return "\n".join([*imports, *([""] if imports else []), *lines]) + "\n"


def evaluated(source: str) -> Any:
    """What a module says that `VALUE` is."""
    module: dict[str, Any] = {}
    exec(source, module)
    return module["VALUE"]


def same(left: Any, right: Any) -> bool:
    """Equal in value, in type, in the order of keys; NaN is NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float):
        return repr(left) == repr(right)  # -0.0 is not 0.0, and NaN is NaN
    if isinstance(left, Decimal128):
        return bool(left.bid == right.bid)
    if isinstance(left, Regex):
        return (left.pattern, left.flags) == (right.pattern, right.flags)
    if isinstance(left, Code):
        return str(left) == str(right) and left.scope == right.scope
    return bool(left == right)


@given(VALUES)
def test_what_is_written_is_what_was_there(value: Any) -> None:
    """Evaluated, the source is the value: nothing is rounded, reordered or turned into another type."""
    assert same(evaluated(written(value)), value)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(VALUES, min_size=20, max_size=40))
def test_a_formatter_changes_nothing(values: list[Any]) -> None:
    """Whatever fits or does not, and whatever quotes and letters are in it."""
    assert_tidy(written(values))


@given(st.text(LETTERS))
def test_no_text_leaves_its_line(text: str) -> None:
    """What cannot be seen, what turns the direction of writing and what ends a line is escaped."""
    assert quoted(text).isprintable()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("it's", '"it\'s"'),
        ('say "no"', "'say \"no\"'"),
        ("both ' and \"", '"both \' and \\""'),
        ("a\\b\nc\u202e\U000e0001é", '"a\\\\b\\nc\\u202e\\U000e0001é"'),
        (b"\x00'\xff\n", 'b"\\x00\'\\xff\\n"'),
        (float("-inf"), 'float("-inf")'),
        (-0.0, "-0.0"),
        (datetime(2026, 1, 2), "datetime(2026, 1, 2)"),
        (datetime(2026, 1, 2, 3, 0, 5), "datetime(2026, 1, 2, 3, 0, 5)"),
        (datetime(2026, 1, 2, tzinfo=UTC), "datetime(2026, 1, 2, tzinfo=UTC)"),
        (re.compile("^a", re.I | re.M), 're.compile("^a", re.I | re.M)'),
        (Regex("^a", "im"), 'Regex("^a", "im")'),
        (Regex("^a"), 'Regex("^a")'),
        (UUID(int=0), 'UUID("00000000-0000-0000-0000-000000000000")'),
        (Decimal128("1.50"), 'Decimal128("1.50")'),
        (Int64(5), "Int64(5)"),
        (SON([("b", 1), ("a", -1)]), '{"b": 1, "a": -1}'),
        (OrderedDict(a=(1, 2)), '{"a": [1, 2]}'),
        (MappingProxyType({}), "{}"),
        ([], "[]"),
    ],
)
def test_a_value(value: Any, expected: str) -> None:
    """The shortest usual way to write it."""
    assert Literals().lines(value) == [expected]


def test_what_does_not_fit_is_one_item_a_line() -> None:
    """Only as deep as needed, with a comma after the last, which formatters take as a wish."""
    value = {"required": ["email", "name"], "properties": {name * 10: {"bsonType": "string"} for name in "abc"}}
    assert (
        written(value)
        == """\
VALUE = {
    "required": ["email", "name"],
    "properties": {
        "aaaaaaaaaa": {"bsonType": "string"},
        "bbbbbbbbbb": {"bsonType": "string"},
        "cccccccccc": {"bsonType": "string"},
    },
}
"""
    )


def test_everything_that_the_server_sends_can_be_written() -> None:
    """Each BSON type as the driver decodes it."""
    values = [
        1, 2**40, 1.5, "a", b"a", None, True, {"a": [1]}, ObjectId(), datetime(2026, 1, 1), Regex("a", "i"), MinKey(),
        MaxKey(), Timestamp(1, 2), Code("f"), Code("f", {"a": 1}), Decimal128("1"), Binary(b"a", 4), DBRef("a", 1),
    ]  # fmt: skip
    decoded = bson.decode(bson.encode({"values": values}))["values"]
    assert all(map(same, evaluated(written(decoded)), decoded))


def test_a_value_that_bson_does_not_know() -> None:
    """It is refused by its type; its content is not repeated."""
    with pytest.raises(MigrationError, match="a value of type complex cannot be written"):
        written({"a": [1j]})
