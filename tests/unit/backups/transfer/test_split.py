from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.backups.transfer import split
from wayra_db.backups.transfer.split import BrokenFileError, Piece, pieces

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
DOCUMENTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=6)


def read_in(data: bytes, size: int) -> list[Piece]:
    """The pieces of data that comes in blocks of at most `size` bytes."""
    file = io.BytesIO(data)
    return list(pieces(lambda wanted: file.read(min(wanted, size))))


@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 1, "\t"]), st.integers(1, 40), st.booleans())
def test_every_document_is_found_whole_and_where_it_is(
    documents: list[dict[str, object]], array: bool, indent: str | int | None, size: int, ascii_only: bool
) -> None:
    """As an array or one after the other, pretty or not, however the blocks fall."""
    texts = [json.dumps(one, indent=indent, ensure_ascii=ascii_only) for one in documents]
    text = "[" + " ,\n".join(texts) + "]\n" if array else "\n".join(texts)
    data = text.encode("utf-8", "surrogatepass")
    found = read_in(data, size)
    assert [json.loads(piece.text.decode("utf-8", "surrogatepass")) for piece in found] == documents
    for number, piece in enumerate(found, 1):
        place = piece.place
        assert data[place.offset : place.offset + len(piece.text)] == piece.text
        before = data[: place.offset]
        assert place.record == number
        assert place.line == before.count(b"\n") + 1
        assert place.column == place.offset - (before.rfind(b"\n") + 1) + 1


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("data", "found", "line", "column", "reason"),
    [
        (b'[{"a":1}', 1, 1, 9, "cut"),
        (b'[{"a":1},', 1, 1, 10, "a document was expected"),
        (b'[{"a":1},]', 1, 1, 10, "a document was expected"),
        (b'[{"a":1}\n{"a":2}]', 1, 2, 1, "a comma or ]"),
        (b'[{"a":1}] {"a":2}', 1, 1, 11, "follows the end"),
        (b'[{"a":1}, 5]', 1, 1, 11, "a document was expected"),
        (b'{"a":1},\n{"a":2}', 1, 1, 8, r"put \["),
        (b'{"a":1}\nhello', 1, 2, 1, "a document was expected"),
        (b'{"a":1}\n{"a":', 1, 2, 1, "does not end"),
        (b'{"a":"}', 0, 1, 1, "does not end"),
        (b'{"a":"\\', 0, 1, 1, "does not end"),
        (b"\xff\xfe{\x00", 0, 1, 1, "UTF-16"),
        (b"a,b\n1,2\n", 0, 1, 1, "a document was expected"),
        (b"[", 0, 1, 2, "a document was expected"),
    ],
)
def test_broken_files(data: bytes, found: int, line: int, column: int, reason: str, size: int) -> None:
    """What came before is read; the error names the place."""
    file, read = io.BytesIO(data), list[Piece]()
    with pytest.raises(BrokenFileError, match=reason) as caught:
        read.extend(pieces(lambda wanted: file.read(min(wanted, size))))
    assert len(read) == found
    assert (caught.value.place.line, caught.value.place.column) == (line, column)


@pytest.mark.parametrize("data", [b"", b" \n\r\n", b"[]", b" [ \n ] \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf[]"])
def test_nothing_is_nothing(data: bytes) -> None:
    """An empty file and an empty array hold no documents, and are no mistake."""
    assert read_in(data, 2) == []


def test_a_mark_and_windows_lines() -> None:
    """A byte order mark counts in offsets and not in columns."""
    first, second = read_in(b'\xef\xbb\xbf{"a":1}\r\n {"a":2}\r\n', 4)
    assert (first.place.line, first.place.column, first.place.offset) == (1, 1, 3)
    assert (second.place.line, second.place.column, second.place.offset) == (2, 2, 13)


def test_a_document_without_an_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up once it is longer than any document can be."""
    monkeypatch.setattr(split, "LARGEST_TEXT", 10_000)
    monkeypatch.setattr(split, "BLOCK", 1000)
    asked = 0

    def read(wanted: int) -> bytes:
        nonlocal asked
        asked += wanted
        return b'{"a":"' + b"x" * wanted

    with pytest.raises(BrokenFileError, match="or never ends"):
        list(pieces(read))
    assert asked < 100_000


def test_a_long_string_full_of_escapes() -> None:
    """A megabyte of them takes no deep recursion."""
    text = json.dumps({"a": '"\\' * 500_000}).encode()
    assert [piece.text for piece in read_in(text, 4096)] == [text]
