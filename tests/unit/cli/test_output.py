from __future__ import annotations

import io

import pytest

from wayra_db.cli._output import Output, harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 😀\tand\nlines", "plain ünïcode 😀\tand\nlines"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\rb\x08c\x9bd", "a\\rb\\x08c\\x9bd"),
        ("a\u202eb\u2066", "a\\u202eb\\u2066"),
    ],
)
def test_names_move_no_cursor(text: str, shown: str) -> None:
    """What a terminal would obey is written out; colours, which are ours, and letters stay."""
    assert harmless(text) == shown


def test_a_table_with_any_cells() -> None:
    """A line break in a name makes no second line, and an endless name pushes nothing away in other rows."""
    output = Output()
    output.results = io.StringIO()
    output.table([["a", "1"], ["two\nlines", "22"], ["n" * 500, "3"]], right=(1,))
    assert output.results.getvalue() == f"  a            1\n  two\\nlines  22\n  {'n' * 500}   3\n"


def test_json_stays_json() -> None:
    """A document has its own escapes."""
    output = Output(as_json=True)
    output.results = io.StringIO()
    output.document({"name": "\x9b\x1b"})
    assert output.results.getvalue() == '{\n  "name": "\x9b\\u001b"\n}\n'
