from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from wayra_db.errors import DeclarationError
from wayra_db.schema.loader import load_collections

HEADER = "from wayra_db.schema.collection import Collection\n"


def write(directory: Path, **files: str) -> Path:
    """Files by stem, each after a first line that imports Collection."""
    for stem, source in files.items():
        (directory / f"{stem}.py").write_text(HEADER + textwrap.dedent(source))
    return directory


def failure(directory: Path) -> DeclarationError:
    """The error that loading the folder ends with."""
    with pytest.raises(DeclarationError) as caught:
        load_collections(directory)
    return caught.value


def test_all_collections_of_all_files_sorted_by_name(tmp_path: Path) -> None:
    """A file may declare several, under any variable, and the order is that of the collections' names."""
    write(
        tmp_path,
        b="zebras = Collection('zebras')\nants = Collection('ants')",
        a="mice: Collection = Collection('mice')",
    )
    assert [collection.name for collection in load_collections(tmp_path)] == ["ants", "mice", "zebras"]


def test_declaration_knows_its_file_and_line(tmp_path: Path) -> None:
    """The place is that of the user's call."""
    write(tmp_path, users="\nusers = Collection('users')")
    (users,) = load_collections(tmp_path)
    assert (users.path, users.line) == (tmp_path / "users.py", 3)


def test_empty_folder_declares_nothing(tmp_path: Path) -> None:
    """A project may have no declarations yet; hidden and underscored files are not read by themselves."""
    (tmp_path / ".#users.py").write_text("raise SystemExit")
    (tmp_path / "_common.py").write_text("raise SystemExit")
    assert load_collections(tmp_path) == ()


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    """It says which folder and what to put there."""
    error = failure(tmp_path / "collections")
    assert error.path == tmp_path / "collections"
    assert "declare a collection" in error.hint


def test_shared_helpers_are_imported_by_name(tmp_path: Path) -> None:
    """A file beside the others can be shared, and nothing of the loading stays behind."""
    write(
        tmp_path,
        _common="NAMES = ['users', 'trips']",
        users="from _common import NAMES\nusers = Collection(NAMES[0])",
        trips="import _common\ntrips = Collection(_common.NAMES[1])",
    )
    path, modules = list(sys.path), set(sys.modules)
    assert [collection.name for collection in load_collections(tmp_path)] == ["trips", "users"]
    assert (sys.path, set(sys.modules)) == (path, modules)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["_common.py", "trips.py", "users.py"]


def test_collection_imported_from_a_neighbour_counts_once(tmp_path: Path) -> None:
    """It is one declaration, though it is seen in two files."""
    write(tmp_path, trips="from users import users\ntrips = Collection('trips')", users="users = Collection('users')")
    assert [collection.name for collection in load_collections(tmp_path)] == ["trips", "users"]


def test_edited_file_is_read_again(tmp_path: Path) -> None:
    """No cache stands between a file and the next loading, for helpers neither."""
    write(tmp_path, _common="NAME = 'old'", users="from _common import NAME\nusers = Collection(NAME)")
    assert load_collections(tmp_path)[0].name == "old"
    write(tmp_path, _common="NAME = 'new'")
    assert load_collections(tmp_path)[0].name == "new"


def test_file_named_like_a_standard_module_hides_nothing(tmp_path: Path) -> None:
    """A collection may be called `calendar`, which the driver also imports from the standard library."""
    write(
        tmp_path,
        calendar="days = Collection('days')",
        users="import calendar\nusers = Collection(calendar.day_name[0])",
    )
    standard = sys.modules.pop("calendar", None)
    try:
        assert [collection.name for collection in load_collections(tmp_path)] == ["Monday", "days"]
    finally:
        if standard is not None:
            sys.modules["calendar"] = standard


def test_two_declarations_of_one_collection_name_both_places(tmp_path: Path) -> None:
    """The second is the mistake, the first is named beside it, even when they say the same."""
    write(tmp_path, a="users = Collection('users')", b="\nusers = Collection('users')")
    error = failure(tmp_path)
    assert (error.path, error.line) == (tmp_path / "b.py", 3)
    assert f"collection 'users' is declared twice, first at {tmp_path / 'a.py'}:2" in str(error)


def test_two_declarations_on_one_line_are_two(tmp_path: Path) -> None:
    """A loop that declares one name with different content is a mistake too."""
    write(tmp_path, a="first, second = (Collection('users', capped={'size': size}) for size in (1, 2))")
    error = failure(tmp_path)
    assert (error.path, error.line) == (tmp_path / "a.py", 2)
    assert "declared twice" in error.message


def test_file_that_declares_nothing_is_an_error(tmp_path: Path) -> None:
    """A forgotten assignment must not silently leave a collection undeclared."""
    write(tmp_path, users="Collection('users')")
    error = failure(tmp_path)
    assert error.path == tmp_path / "users.py"
    assert "declares no collection" in str(error)
    assert "start the file's name with `_`" in error.hint


def test_file_that_raises_shows_the_users_line(tmp_path: Path) -> None:
    """The line is the user's last, not the library's below it, and the exception stays as the cause."""
    write(tmp_path, users="import json\nusers = Collection(json.loads('{')['name'])")
    error = failure(tmp_path)
    assert (error.path, error.line) == (tmp_path / "users.py", 3)
    assert isinstance(error.__cause__, ValueError)
    assert "JSONDecodeError" in str(error)


def test_helper_that_raises_shows_its_own_line(tmp_path: Path) -> None:
    """The mistake is in the helper, not in the file that imports it."""
    write(tmp_path, _common="\n1 / 0", users="from _common import x")
    error = failure(tmp_path)
    assert (error.path, error.line) == (tmp_path / "_common.py", 3)
    assert isinstance(error.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(("broken", "line"), [("users", 3), ("_common", 3)])
def test_syntax_error_has_file_and_line(tmp_path: Path, broken: str, line: int) -> None:
    """In a file of collections and in a helper alike."""
    write(tmp_path, **{"_common": "x = 1", "users": "from _common import x", broken: "\ndef ("})
    error = failure(tmp_path)
    assert (error.path, error.line) == (tmp_path / f"{broken}.py", line)
    assert "syntax error" in str(error)
    assert isinstance(error.__cause__, SyntaxError)


def test_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are named, not decoded into something else."""
    (tmp_path / "users.py").write_bytes(b"users = '\xff'")
    error = failure(tmp_path)
    assert error.path == tmp_path / "users.py"
    assert "UTF-8" in str(error)


@pytest.mark.filterwarnings("ignore:can't resolve package:ImportWarning")
def test_relative_import_is_told_the_right_way(tmp_path: Path) -> None:
    """The folder is no package."""
    write(tmp_path, _common="x = 1", users="from ._common import x")
    error = failure(tmp_path)
    assert (error.path, error.line) == (tmp_path / "users.py", 2)
    assert "from _common import" in error.hint


def test_wrong_declaration_comes_through_as_it_is(tmp_path: Path) -> None:
    """The error of `Collection` already has the place; it is not wrapped again."""
    write(tmp_path, users="users = Collection(\n    'users',\n    validation_level='strong',\n    validator={},\n)")
    error = failure(tmp_path)
    assert (error.path, error.line) == (tmp_path / "users.py", 4)
    assert str(error).count("users.py") == 1
