from __future__ import annotations

import contextlib
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.sourcefile import (
    SourceFileError,
    checksum,
    line_in,
    load_module,
    parse,
    read_source,
    sibling_imports,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to be written by the test."""
    return tmp_path / "0001_example.py"


def written(file: Path, source: str) -> Path:
    """The file with a source text, dedented."""
    file.write_text(textwrap.dedent(source), encoding="utf-8")
    return file


@pytest.mark.parametrize("raw", [b"a = 1\r\nb = 2\r\n", b"a = 1\rb = 2\r", b"\xef\xbb\xbfa = 1\nb = 2\n"])
def test_a_checkout_on_another_system_is_no_edit(file: Path, raw: bytes) -> None:
    """Line endings and a byte-order mark do not count in the checksum."""
    file.write_bytes(raw)
    assert parse(file).checksum == checksum("a = 1\nb = 2\n")


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\ufeff")))
def test_every_other_change_is_an_edit(text: str) -> None:
    """Two texts have one checksum only if they are the same text."""
    assert checksum(text) == checksum(text)
    assert checksum(text) != checksum(text + "#")


def test_parsing_runs_nothing(file: Path) -> None:
    """What a file would do when executed does not happen."""
    parsed = parse(written(file, "raise SystemExit('executed')\nname = 1\n"))
    assert parsed.constants["name"].value == 1


def test_headers_of_functions(file: Path) -> None:
    """Name, line, kind and number of positional arguments; only the top level counts, and the last of a name."""
    parsed = parse(
        written(
            file,
            """\
            def up(old): ...
            async def down(db, ctx): ...
            def many(db, *rest): ...
            def first_only(db, /): ...
            def keyword(*, db): ...
            class Other:
                def method(self): ...
            if True:
                def hidden(db): ...
            def up(db, ctx=None): ...
            """,
        )
    )
    seen = {name: (one.line, one.is_async, one.positional) for name, one in parsed.functions.items()}
    assert seen == {
        "up": (10, False, 2),
        "down": (2, True, 2),
        "many": (3, False, 100),
        "first_only": (4, False, 1),
        "keyword": (5, False, 0),
    }


def test_constants(file: Path) -> None:
    """Literals with their line, by `=` or with an annotation; a computed value is marked, a bare annotation is none."""
    parsed = parse(
        written(
            file,
            """\
            plain = ["a", {"b": (1, -2.5, None)}]
            typed: bool = True
            bare: int
            computed = 1 + len("x")
            one = two = "both"
            item["x"] = 1
            """,
        )
    )
    seen = {name: (one.value, one.line, one.literal) for name, one in parsed.constants.items()}
    assert seen == {
        "plain": (["a", {"b": (1, -2.5, None)}], 1, True),
        "typed": (True, 2, True),
        "computed": (None, 4, False),
        "one": ("both", 5, True),
        "two": ("both", 5, True),
    }


def test_docstring(file: Path) -> None:
    """The file's docstring without its indentation, empty when there is none."""
    assert parse(written(file, '"""\n    Migration: One\n    Version: 1\n    """\n')).docstring == (
        "Migration: One\nVersion: 1"
    )
    assert parse(written(file, "x = 1\n")).docstring == ""


@pytest.mark.parametrize(
    ("raw", "message", "line"),
    [
        (b"x = 1\ndef up(:\n", "syntax error", 2),
        (b"x = '\xff'\n", "not UTF-8", None),
        (b"x = 1\0\n", "", None),
        (b"x = " + b"-" * 200_000 + b"1\n", "cannot be parsed", None),
        (b"  x = 1\n", "syntax error", 1),
    ],
    ids=["syntax", "encoding", "null byte", "nested too deeply", "indentation"],
)
def test_what_cannot_be_parsed(file: Path, raw: bytes, message: str, line: int | None) -> None:
    """Every broken file is one kind of error, with its line where there is one."""
    file.write_bytes(raw)
    with pytest.raises(SourceFileError) as caught:
        parse(file)
    assert message in caught.value.message
    assert caught.value.path == file
    assert line is None or caught.value.line == line


@given(st.binary(max_size=200))
def test_no_file_breaks_the_parser(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """Whatever the bytes, they are parsed or refused in our words."""
    file = tmp_path_factory.getbasetemp() / "any.py"
    file.write_bytes(raw)
    with contextlib.suppress(SourceFileError):
        assert len(parse(file).checksum) == 64


@pytest.mark.parametrize("what", ["a folder", "nothing"])
def test_what_cannot_be_read(tmp_path: Path, what: str) -> None:
    """A folder or a missing file is refused in our words."""
    with pytest.raises(SourceFileError, match="cannot be read"):
        read_source(tmp_path if what == "a folder" else tmp_path / "missing.py")


def test_a_module_sees_its_neighbours_and_leaves_no_trace(tmp_path: Path) -> None:
    """Imports beside the file work; `sys.path`, `sys.modules` and the folder are as before."""
    (tmp_path / "_common.py").write_text("answer = 42\n")
    file = tmp_path / "user.py"
    file.write_text("from _common import answer\nimport colorsys\n")
    path, flag = list(sys.path), sys.dont_write_bytecode
    assert load_module(file, "user_file").answer == 42
    assert sys.path == path
    assert sys.dont_write_bytecode is flag
    assert not {"_common", "user_file"} & set(sys.modules)
    assert "colorsys" in sys.modules
    assert sorted(one.name for one in tmp_path.iterdir()) == ["_common.py", "user.py"]


def test_two_folders_with_a_helper_of_one_name(tmp_path: Path) -> None:
    """Each project's files meet their own helper."""
    answers = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "_common.py").write_text(f"answer = {number}\n")
        (folder / "user.py").write_text("from _common import answer\n")
        answers.append(load_module(folder / "user.py", "user").answer)
    assert answers == [1, 2]


def test_dataclasses_with_postponed_annotations(file: Path) -> None:
    """They look themselves up in `sys.modules` while the file runs."""
    module = load_module(
        written(
            file,
            """\
            from __future__ import annotations
            from dataclasses import dataclass

            @dataclass
            class Price:
                amount: int
            """,
        ),
        "example",
    )
    assert module.Price(3).amount == 3


def test_a_file_named_like_a_module_does_not_replace_it(file: Path) -> None:
    """A module that is imported already stays."""
    before = sys.modules["json"]
    assert load_module(written(file, "import json\nkind = type(json)\n"), "json").kind.__name__ == "module"
    assert sys.modules["json"] is before


def test_a_folder_that_is_on_the_path_stays_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its place; also when one block stands in another."""
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.path)
    with sibling_imports(tmp_path), sibling_imports(tmp_path):
        assert sys.path == before
    assert sys.path == before


def test_the_standard_library_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A neighbour called `colorsys` takes nobody's place, be it imported already or not."""
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    (tmp_path / "colorsys.py").write_text("")
    (tmp_path / "user.py").write_text("from colorsys import rgb_to_hsv\n")
    assert load_module(tmp_path / "user.py", "user").rgb_to_hsv


@pytest.mark.parametrize(
    ("source", "line", "cause"),
    [
        ("x = 1\nraise ValueError('no')\n", 2, ValueError),
        ("import sys\n\nsys.exit(0)\n", 3, SystemExit),
        ("import no_such_module_anywhere\n", 1, ImportError),
        ("def inner():\n    return 1 / 0\n\ninner()\n", 2, ZeroDivisionError),
        ("x = (\n", 1, SyntaxError),
    ],
)
def test_what_a_file_raises(file: Path, source: str, line: int, cause: type[BaseException]) -> None:
    """The user's own line and the original as the cause; even an exit at the top does not end the program."""
    with pytest.raises(SourceFileError) as caught:
        load_module(written(file, source), "example")
    assert caught.value.line == line
    assert isinstance(caught.value.__cause__, cause)


def test_the_folder_is_given_back_after_an_error(tmp_path: Path) -> None:
    """An exception inside the block changes nothing of the clean-up."""
    before = list(sys.path)
    with pytest.raises(RuntimeError), sibling_imports(tmp_path):
        raise RuntimeError
    assert sys.path == before


def test_line_in_finds_the_users_own_line(file: Path) -> None:
    """Not the library's line below it, and nothing for a file that took no part."""
    module = load_module(written(file, "import json\n\ndef up(db):\n    json.loads('{')\n"), "example")
    with pytest.raises(ValueError, match="Expecting") as caught:
        module.up(None)
    assert line_in(caught.value, file) == 4
    assert line_in(caught.value, file.with_name("other.py")) is None
