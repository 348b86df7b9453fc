from __future__ import annotations

import random
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import bson
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.backups.documents import DocumentError
from wayra_db.backups.structure import check, walk

EVERYTHING = {
    "double": 1.5,
    "string": "ü\0x",
    "object": {"a": {"b": {}}},
    "array": [1, [2, [3, []]], {"c": None}],
    "binary": Binary(b"\0\1\2"),
    "old binary": Binary(b"abc", 2),
    "uuid": Binary.from_uuid(UUID(int=7)),
    "id": ObjectId(),
    "true": True,
    "false": False,
    "date": datetime(2026, 11, 25, tzinfo=UTC),
    "regex": Regex("^a", "i"),
    "reference": DBRef("users", 1),
    "code": Code("x"),
    "scope": Code("x", {"y": {"z": 1}}),
    "int": 1,
    "timestamp": Timestamp(1, 2),
    "long": Int64(1 << 40),
    "decimal": Decimal128("1.5"),
    "min": MinKey(),
    "max": MaxKey(),
    "null": None,
    "": "",
}

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from([*EVERYTHING.values()]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=6)


def walked(data: bytes) -> None:
    """Walk through one document in Python."""
    walk(data, 0, len(data))


def refusal(data: bytes, look: Callable[[bytes], object] = check) -> DocumentError | None:
    """What is said against some bytes."""
    try:
        look(data)
    except DocumentError as error:
        return error
    return None


def test_every_type_by_both_ways() -> None:
    """Decoded by the driver and walked through in Python: neither finds anything."""
    data = bson.encode(EVERYTHING)
    assert check(data * 3) == 3
    walked(data)


@given(st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.text()))
def test_plain_documents_pass(document: dict[str, str]) -> None:
    """Whatever the names and texts."""
    data = bson.encode(document)
    assert check(data) == 1
    walked(data)


@pytest.mark.parametrize(
    "data",
    [
        bson.encode({"s": "abcd"}).replace(b"abcd", b"\xff\xfe\xfd\xfc"),  # not UTF-8
        bson.encode({"k": {"$ref": 1, "$id": 2}}),  # looks like a reference and is none
        bson.encode({"d": bson.datetime_ms.DatetimeMS(1 << 62)}),  # a year that Python does not have
        bson.encode({"u": Binary(b"short", 4)}),  # a UUID of five bytes
        bson.encode({"a": [1, 2]}).replace(b"\x100\0", b"\x109\0"),  # an array with odd keys
    ],
)
def test_what_the_server_stores_passes(data: bytes) -> None:
    """Also where the driver will not decode it."""
    assert check(data) == 1


def deep(levels: int) -> bytes:
    """A document nested so deep."""
    data = b"\5\0\0\0\0"
    for _ in range(levels):
        data = struct.pack("<i", len(data) + 8) + b"\3a\0" + data + b"\0"
    return data


def test_nesting() -> None:
    """As deep as a server allows, and not so deep that it would end Python."""
    assert check(deep(200)) == 1
    with pytest.raises(DocumentError, match="nested too deep"):
        check(deep(5000))


def code_in_code(levels: int) -> bytes:
    """Code whose scope holds code whose scope ..."""
    data = b"\5\0\0\0\0"
    for _ in range(levels):
        value = struct.pack("<i", 4 + 6 + len(data)) + struct.pack("<i", 2) + b"x\0" + data
        data = struct.pack("<i", len(value) + 8) + b"\x0fa\0" + value + b"\0"
    return data


def test_nesting_of_code() -> None:
    """The same for code and its scope."""
    assert check(code_in_code(5)) == 1
    with pytest.raises(DocumentError, match="nested too deep"):
        check(code_in_code(3000))


@pytest.mark.parametrize(
    ("data", "offset", "says"),
    [
        (b"\x05\0\0\0", 0, "cut"),
        (b"\x06\0\0\0\x01\0", 5, "no end"),
        (b"\x09\0\0\0\x08a\0\x02\0", 7, "neither true nor false"),
        (b"\x08\0\0\0\x44a\0\0", 7, "no type 0x44"),
        (b"\x0b\0\0\0\x10a\0\1\0\0\0", 7, "longer than its document"),
        (b"\x0d\0\0\0\x03a\0\x06\0\0\0\0\0", 7, "does not fit"),
        (b"\x0d\0\0\0\x02a\0\x09\0\0\0\0\0", 7, "text of 9 bytes"),
        (b"\x0d\0\0\0\x05a\0\x09\0\0\0\0\0", 7, "binary data of 9 bytes"),
        (b"\x09\0\0\0\x0ba\0x\0", 7, "no end"),
        (b"\x06\0\0\0\0\0", 4, "ends before its length"),
        (b"\x0c\0\0\0\x0fa\0\x05\0\0\0\0", 7, "code of 5 bytes"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(data: bytes, offset: int, says: str) -> None:
    """The offset within the run."""
    sound = bson.encode({"a": 1})
    for before in (b"", sound):
        with pytest.raises(DocumentError, match=says) as caught:
            check(before + data)
        assert caught.value.offset == offset + len(before)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fall(data: bytes) -> None:
    """Whatever they are: either documents, or an error with an offset within them."""
    for around in (data, struct.pack("<i", len(data) + 5) + data + b"\0"):
        refused = refusal(around)
        assert refused is None or 0 <= refused.offset <= len(around)


def test_changed_documents_end_in_an_answer() -> None:
    """Random changes of real documents; the walk in Python never runs on beyond the end."""
    sound = bson.encode(EVERYTHING)
    chance = random.Random(7)
    refused = 0
    for _ in range(2000):
        data = bytearray(sound)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        found = refusal(bytes(data), walked)
        refused += found is not None
        assert found is None or 0 <= found.offset < len(data)
    assert refused > 200


@given(DOCUMENTS)
def test_nested_documents_pass_both_ways(document: dict[str, object]) -> None:
    """Whatever hypothesis makes that the driver can encode."""
    try:
        data = bson.encode(document)
    except (OverflowError, bson.errors.InvalidDocument, UnicodeEncodeError):
        return
    assert check(data) == 1
    walked(data)
