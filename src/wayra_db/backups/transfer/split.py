"""The documents in a stream of JSON, found one by one while it is read: an array of them, or one after the other.

Only brackets and strings are looked at; what is between them is judged when the document is parsed. So memory holds one
document and one block, whatever the size of the file, and each document is known by its line, column and offset.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

BLOCK = 1 << 20
# Sixteen megabytes of BSON can take so much as canonical Extended JSON.
LARGEST_TEXT = 256 * 1024 * 1024

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]|"', re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]*+")
UTF8_MARK = b"\xef\xbb\xbf"
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document begins: its number in the file from 1, line and column from 1 (0 in a binary file), and offset.

    Columns count bytes.
    """

    record: int
    line: int
    column: int
    offset: int


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of one document."""

    text: bytes
    place: Place


class BrokenFileError(Exception):
    """The file cannot be read on from this place."""

    def __init__(self, reason: str, place: Place) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = place


def pieces(read: Callable[[int], bytes]) -> Iterator[Piece]:
    """Each document of a stream. Raises BrokenFileError where it is no longer clear what is a document."""
    text = _Text(read)
    text.skip_mark()
    first = text.next_byte()
    if first == b"[":
        text.advance(1)
        yield from _elements(text)
        if text.next_byte():
            raise text.broken("something follows the end of the array")
        return
    while byte := text.next_byte():
        if byte != b"{":
            said = "a comma stands between documents: put [ before the first and ] behind the last"
            raise text.broken(said if byte == b"," else "a document was expected here, which begins with {")
        yield text.document()


def _elements(text: _Text) -> Iterator[Piece]:
    if text.next_byte() == b"]":
        text.advance(1)
        return
    while True:
        if text.next_byte() != b"{":
            raise text.broken("a document was expected here, which begins with {")
        yield text.document()
        byte = text.next_byte()
        if byte not in (b",", b"]"):
            said = "the file ends within the array: it is cut" if not byte else "a comma or ] was expected here"
            raise text.broken(said)
        text.advance(1)
        if byte == b"]":
            return


class _Text:
    """A window on the stream; `_position` is the next byte in it that was not consumed."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._window = b""
        self._position = 0
        self._offset = 0  # of the window's first byte
        self._line = 1  # at `_counted`
        self._line_begin = 0  # offset at which that line begins
        self._counted = 0
        self._records = 0

    def skip_mark(self) -> None:
        """Step over a byte order mark. Raises BrokenFileError for one of an encoding that is not UTF-8."""
        while len(self._window) < len(UTF8_MARK) and self._more():
            pass
        if self._window.startswith(_WIDE_MARKS):
            raise self.broken("the file is UTF-16: convert it with `iconv -f utf-16 -t utf-8`")
        if self._window.startswith(UTF8_MARK):
            self._position = self._line_begin = len(UTF8_MARK)

    def next_byte(self) -> bytes:
        """The next byte that is no white space, not consumed; empty at the end."""
        while True:
            match = _SPACE.match(self._window, self._position)
            assert match is not None  # noqa: S101  # it matches nothing as well
            self._position = match.end()
            if self._position < len(self._window):
                return self._window[self._position : self._position + 1]
            if not self._more():
                return b""

    def advance(self, count: int) -> None:
        """Consume bytes of the window."""
        self._position += count

    def document(self) -> Piece:
        """The document that begins here, consumed. Raises BrokenFileError when it does not end."""
        begin, scanned, depth = self._position, self._position, 0
        while True:
            for match in _TOKEN.finditer(self._window, scanned):
                token = match.group()
                if token in (b"{", b"["):
                    depth += 1
                elif token in (b"}", b"]"):
                    depth -= 1
                    if not depth:
                        self._records += 1
                        piece = Piece(self._window[begin : match.end()], self.place(self._records))
                        self._position = match.end()
                        return piece
                elif token == b'"':  # a string that goes on beyond the window
                    break
                scanned = match.end()
            if len(self._window) - begin > LARGEST_TEXT:
                raise self.broken(f"a document of more than {LARGEST_TEXT >> 20} MiB begins here, or never ends")
            dropped = self._position
            if not self._more():
                raise self.broken(
                    "the document that begins here does not end: the file is cut, or a bracket is missing"
                )
            begin, scanned = begin - dropped, scanned - dropped

    def place(self, record: int = 0) -> Place:
        """Where the next byte is."""
        offset = self._offset + self._position
        here = self._counted - self._offset
        newlines = self._window.count(b"\n", here, self._position)
        if newlines:
            self._line += newlines
            self._line_begin = self._offset + self._window.rfind(b"\n", here, self._position) + 1
        self._counted = offset
        return Place(record or self._records + 1, self._line, offset - self._line_begin + 1, offset)

    def broken(self, reason: str) -> BrokenFileError:
        """The error for what stands here."""
        return BrokenFileError(reason, self.place())

    def _more(self) -> bool:
        self.place()  # counts the lines of what is dropped
        kept = self._window[self._position :]
        block = self._read(
            max(BLOCK, len(kept))
        )  # in proportion, so that a long document is not copied again and again
        self._offset += self._position
        self._position = 0
        self._window = kept + block
        return bool(block)
