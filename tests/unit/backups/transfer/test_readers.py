from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from typing import Any

import bson
import pytest
from bson import ObjectId
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.backups.transfer.bson_documents import DOCUMENTS
from wayra_db.backups.transfer.extjson import decode, encode
from wayra_db.backups.transfer.files import DamagedError, Format, Input, Output, packed
from wayra_db.backups.transfer.readers import Document, Rejected, TableOptions, read_documents
from wayra_db.backups.transfer.split import BrokenFileError
from wayra_db.backups.transfer.writers import writer_for


def read(data: bytes, format: Format, size: int = 1 << 20, **table: object) -> list[Document | Rejected]:
    """What a file of these bytes holds, read in blocks."""
    file = io.BytesIO(data)
    options = TableOptions(**table)  # type: ignore[arg-type]
    return list(read_documents(lambda wanted: file.read(min(wanted, size)), format, options))


def written(raws: Sequence[bytes], format: Format, **options: object) -> bytes:
    """Documents as a file of this format."""
    file = io.BytesIO()
    output = Output(file)
    writer = writer_for(output, format, **options)  # type: ignore[arg-type]
    for begin in range(0, len(raws), 2):
        writer.write(raws[begin : begin + 2])
    writer.finish()
    return file.getvalue()


@given(st.lists(DOCUMENTS, max_size=4), st.sampled_from(["json", "jsonl", "bson"]), st.booleans(), st.integers(1, 300))
def test_what_is_written_is_read_again(
    documents: list[dict[str, object]], format: Format, pretty: bool, size: int
) -> None:
    """Every byte, in canonical JSON and BSON, however the blocks fall."""
    raws = [encode({"_id": number, **one}) for number, one in enumerate(documents)]
    data = written(raws, format, canonical=True, pretty=pretty and format == "json")
    found = read(data, format, size)
    assert [one.raw for one in found if isinstance(one, Document)] == raws


@given(st.lists(DOCUMENTS, max_size=4))
@example([{"a": "\r"}])
@example([{"a": b"", "b": ""}])
@example([{"a": "\r0", "b": "x\r\ny"}])
def test_a_typed_table_keeps_every_value(documents: list[dict[str, object]]) -> None:
    """With types in its header CSV loses only the order of fields, and names that hold a dot or are empty."""
    named = [_tame({"_id": number, **one}) for number, one in enumerate(documents)]
    raws = [encode(one) for one in named]
    data = written(raws, "csv", typed_header=True)
    found = read(data, "csv", typed_header=True) if raws else []
    assert [_sorted(decode(one.raw)) for one in found if isinstance(one, Document)] == [
        _sorted(decode(raw)) for raw in raws
    ]


def _tame(value: Any) -> Any:
    """With names that can stand in a path."""
    if isinstance(value, dict):
        return {f"n{number}" if name != "_id" else name: _tame(one) for number, (name, one) in enumerate(value.items())}
    return value


def _sorted(value: object) -> str:
    if isinstance(value, dict):
        return repr({name: _sorted(value[name]) for name in sorted(value)})
    return f"{type(value).__name__} {value!r}"


MALFORMED: list[tuple[Format, bytes, list[tuple[int, int, str]]]] = [
    ("json", b'[{"a":1},\n {"a":},\n {"a":3}]', [(2, 7, "expecting value")]),
    ("json", b'[{"a":1}, {"b":1,"b":2}]', [(1, 11, "'b' is there twice")]),
    ("json", b'[{"a":"\xff"}]', [(1, 8, "not UTF-8")]),
    ("json", b'{"a": NaN}', [(1, 1, "NaN is no JSON")]),
    ("json", b'[{"a": 99999999999999999999}]', [(1, 2, "beyond 64 bits")]),
    ("jsonl", b'{"a":1}\n{"a":\n{"a":3}\n', [(2, 6, "expecting value")]),
    ("jsonl", b'{"a":1}\nhello\n\n  {"a" 3}\n', [(2, 1, "expecting value"), (4, 8, "expecting ':'")]),
    ("jsonl", b'\xef\xbb\xbf{"a":1}\r\n[1]\r\n', [(2, 1, "no document")]),
    ("jsonl", b'{"a":1} {"a":2}\n', [(1, 9, "extra data")]),
    ("csv", b"a,b\n1,2\n3\n4,5,6\n", [(3, 1, "1 cells, and the header 2"), (4, 1, "3 cells")]),
    ("csv", b'a,b\n"x\ny",2\n\xff,3\n', [(4, 1, "not UTF-8")]),
    ("csv", b"p,p.x\n1,\n1,2\n", [(3, 1, "lies inside 'p'")]),
]


@pytest.mark.parametrize(("format", "data", "mistakes"), MALFORMED)
def test_a_malformed_document_is_named_and_the_rest_is_read(
    format: Format, data: bytes, mistakes: list[tuple[int, int, str]]
) -> None:
    """With line, column and reason, in blocks of any size."""
    for size in (1, 7, 1000):
        rejected = [one for one in read(data, format, size) if isinstance(one, Rejected)]
        assert [(one.place.line, one.place.column) for one in rejected] == [
            (line, column) for line, column, _ in mistakes
        ]
        for one, (_, _, reason) in zip(rejected, mistakes, strict=True):
            assert reason in one.reason


@pytest.mark.parametrize(
    ("format", "data", "line", "reason"),
    [
        ("csv", b"", 1, "no header"),
        ("csv", b"a,a\n1,2\n", 1, "'a' twice"),
        ("csv", b'a,b\n1,2\n"open,3\n', 3, "is no CSV"),
        ("csv", b'a,b\n"x"y,3\n', 2, "is no CSV"),
        ("jsonl", b"\xff\xfe{\x00", 1, "UTF-16"),
        ("csv", b"\xff\xfea\x00", 1, "UTF-16"),
        ("bson", b"\x05\x00\x00\x00\x00\x06\x00\x00", 0, "cut"),
        ("bson", b"\xff\xff\xff\x7f\x00", 0, "claims 2,147,483,647 bytes"),
        ("bson", b"\x01\x00\x00\x00\x00", 0, "claims 1 bytes"),
        ("bson", b'[{"a":1}]', 0, "no BSON"),
    ],
)
def test_files_that_cannot_be_read_on(format: Format, data: bytes, line: int, reason: str) -> None:
    """It is not clear where the next document begins."""
    for size in (1, 1000):
        with pytest.raises(BrokenFileError, match=reason) as caught:
            read(data, format, size)
        assert caught.value.place.line == line


def test_damaged_and_too_large_documents_in_bson() -> None:
    """A document whose frame is whole and whose inside is not is skipped; so is one that no server takes."""
    good, damaged = encode({"_id": 1}), bytearray(encode({"_id": 2, "s": "text"}))
    damaged[13] = 0x55
    large = bson.encode({"_id": 3, "b": b"x" * (17 << 20)})
    found = read(good + bytes(damaged) + large + good, "bson")
    assert [type(one).__name__ for one in found] == ["Document", "Rejected", "Rejected", "Document"]
    first, second = (one.reason for one in found if isinstance(one, Rejected))
    assert first.startswith("it is damaged")
    assert "16,777,216 at most" in second
    assert found[1].place.offset == len(good)


@pytest.mark.parametrize("format", ["json", "jsonl", "csv", "bson"])
def test_a_document_without_an_id_gets_one(format: Format) -> None:
    """At its beginning, as the driver and the server do it."""
    data = {"json": b'[{"a":1}]', "jsonl": b'{"a":1}', "csv": b"a\n1\n", "bson": bson.encode({"a": 1})}[format]
    (found,) = read(data, format)
    assert isinstance(found, Document)
    fields = bson.decode(found.raw)
    assert list(fields) == ["_id", "a"]
    assert isinstance(fields["_id"], ObjectId)
    assert found.fields["_id"] == fields["_id"]


def test_a_table_finds_its_columns() -> None:
    """In the order in which they are first seen; what an array or an empty document holds is JSON."""
    raws = [encode({"_id": 1, "p": {"x": 1.0}}), encode({"_id": 2, "t": [1, "é"], "p": {"y": None, "z": {}}})]
    assert written(raws, "csv").decode() == '_id,p.x,t,p.y,p.z\n1,1.0,,,\n2,,"[1,""é""]",,{}\n'
    header = written(raws, "csv", typed_header=True).decode().splitlines()[0]
    assert header == "_id.int32(),p.x.double(),t.json(),p.y.json(),p.z.json()"


@pytest.mark.parametrize("compression", ["", ".gz", ".zst"])
def test_packed_files_are_known_by_their_first_bytes(compression: str) -> None:
    """And unpacked while they are read; a cut or a changed byte is found."""
    data, file = b"".join(b"%d\n" % number for number in range(100_000)), io.BytesIO()
    with packed(file, compression) as output:  # type: ignore[arg-type]
        output.write(data)
    whole = file.getvalue()
    assert _all(whole) == data
    if compression:
        assert len(whole) < len(data)
        with pytest.raises(DamagedError, match=r"cut|damaged"):
            _all(whole[:-9])
        middle = len(whole) // 2
        with pytest.raises(DamagedError, match=r"cut|damaged"):
            _all(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])


def test_several_packed_pieces_are_one_file() -> None:
    """Members of gzip one after the other, as `cat a.gz b.gz` makes them."""
    assert _all(gzip.compress(b"one ") + gzip.compress(b"two")) == b"one two"


def _all(data: bytes) -> bytes:
    file, found = Input(io.BytesIO(data)), b""
    while block := file.read(1000):
        found += block
    return found
