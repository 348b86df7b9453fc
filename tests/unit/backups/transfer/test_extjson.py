from __future__ import annotations

import bson
import pytest
from bson import DBRef, Int64
from hypothesis import given

from tests.unit.backups.transfer.bson_documents import DOCUMENTS, NUMBERS_OF_ONE_TYPE
from wayra_db.backups.transfer.extjson import CODEC, TextError, decode, decode_for_text, encode, parse, writer

canonical, relaxed = writer(canonical=True), writer(canonical=False)


@given(DOCUMENTS)
def test_canonical_keeps_every_byte(fields: dict[str, object]) -> None:
    """Any document, written and read again, is the same BSON."""
    raw = encode(fields)
    assert encode(parse(canonical(decode_for_text(raw)[0]))) == raw


@given(NUMBERS_OF_ONE_TYPE)
def test_relaxed_keeps_what_plain_json_can_say(fields: dict[str, object]) -> None:
    """Without small numbers of 64 bits, the only thing that relaxed text does not tell apart."""
    raw = encode(fields)
    assert encode(parse(relaxed(decode_for_text(raw)[0]))) == raw


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        (b'{"a": }', 1, 7, "no JSON: expecting value"),
        (b'{"a": 1,\n "b" 2}', 2, 6, "expecting ':' delimiter"),
        (b"{'a': 1}", 1, 2, "property name enclosed in double quotes"),
        (b'{"a": 1,}', 1, 9, "property name"),
        (b'{"a": 01}', 1, 8, "no JSON"),
        (b'{"a": "x\ny"}', 1, 9, "invalid control character"),
        (b'{"a":\n "\xff"}', 2, 3, "not UTF-8"),
        (b'{"a": NaN}', 0, 0, '{"\\$numberDouble": "NaN"}'),
        (b'{"a": -Infinity}', 0, 0, '{"\\$numberDouble": "-Infinity"}'),
        (b'{"a": 1e400}', 0, 0, "too large for a double"),
        (b'{"a": ' + b"9" * 5000 + b"}", 0, 0, "too many digits"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', 0, 0, "'c' is there twice"),
        (b'{"a": {"$oid": "secret"}}', 0, 0, r"^\$oid has a value that it cannot have"),
        (b'{"a": {"$oid": "0123456789abcdef01234567", "x": 1}}', 0, 0, r"^\$oid has a value"),
        (b'{"a": {"$date": "yesterday"}}', 0, 0, r"^\$date has a value"),
        (b'{"a": {"$numberInt": "3000000000"}}', 0, 0, "beyond 32 bits"),
        (b'{"a": {"$numberLong": "9223372036854775808"}}', 0, 0, "beyond 64 bits"),
        (b'{"a": {"$numberDecimal": "ten"}}', 0, 0, r"\$numberDecimal has a value"),
        (b'{"a": {"$timestamp": 5}}', 0, 0, r"\$timestamp has a value"),
        (b'{"a": {"$binary": {"base64": "?", "subType": "zz"}}}', 0, 0, r"\$binary has a value"),
        (b'{"$oid": "0123456789abcdef01234567"}', 0, 0, "no document"),
        (b'{"a":' + b"[" * 100_000, 0, 0, "nested too deeply"),
    ],
)
def test_texts_that_are_refused(text: bytes, line: int, column: int, reason: str) -> None:
    """Each with its place, where the parser knows it; none quotes a value."""
    with pytest.raises(TextError, match=reason) as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 9223372036854775808}', "beyond 64 bits"),
        ('{"a": "\\ud800"}', "surrogate"),
        ('{"a\\u0000b": 1}', "null character"),
    ],
)
def test_what_bson_cannot_hold(text: str, reason: str) -> None:
    """It is JSON, and no document."""
    with pytest.raises(TextError, match=reason):
        encode(parse(text))


def test_a_stored_reference_keeps_its_fields_in_their_order() -> None:
    """The driver would make an object of it and write it in its own order."""
    fields = {"r": {"$ref": "people", "$id": 5, "extra": Int64(3)}}
    assert list(parse(canonical(fields))["r"]) == ["$ref", "$id", "extra"]
    assert isinstance(bson.decode(encode(fields))["r"], DBRef)


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"\x10\x00\x00\x00\x0ea\x00\x02\x00\x00\x00x\x00\x00"[:4] + b"\x0ea\x00\x02\x00\x00\x00x\x00\x00", "symbol"),
        (b"\x08\x00\x00\x00\x06a\x00\x00", "undefined"),
        (b"\x13\x00\x00\x00\x10a\x00\x01\x00\x00\x00\x10a\x00\x02\x00\x00\x00\x00", "a field twice"),
        (encode({"a": {"$oid": 5}}), "a field named as Extended JSON's"),
        (b"\x0e\x00\x00\x00\x02a\x00\x02\x00\x00\x00\xff\x00\x00", "no UTF-8"),
    ],
)
def test_what_text_cannot_say_is_counted(raw: bytes, what: str) -> None:
    """The writer says of how many documents this is true, and names the format that keeps everything."""
    raw = len(raw).to_bytes(4, "little") + raw[4:]
    assert decode_for_text(raw)[1] is False, what


def test_what_text_can_say_is_not_counted() -> None:
    """Documents with operators as field names, which Extended JSON leaves alone, are exact."""
    for fields in ({"a": 1}, {"$dollar": 2}, {"q": {"$gt": 5, "$in": [1]}}, {"d": {"$ref": "x", "$id": 1}}):
        assert decode_for_text(encode(fields))[1] is True


def test_damaged_bson() -> None:
    """Every cut of a document is refused."""
    raw = bson.encode({"a": "text", "b": [1, {"c": 2.5}]}, codec_options=CODEC)
    for end in range(len(raw)):
        with pytest.raises(TextError, match="damaged"):
            decode(raw[:end])
