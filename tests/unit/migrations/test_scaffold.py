from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import assert_tidy
from wayra_db.errors import MigrationLoadError
from wayra_db.migrations.loader import load_migrations, read_migration
from wayra_db.migrations.scaffold import TEMPLATES, Kind, UnusableNameError, create_migration, slug


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add user roles", "add_user_roles"),
        ("Add  User-Roles!", "add_user_roles"),
        ("añadir índices", "anadir_indices"),
        ("Straße über Ümläut", "stra_e_uber_umlaut"),
        ("  __x__  ", "x"),
        ("2nd try", "2nd_try"),
        ("a" * 200, "a" * 80),
    ],
)
def test_slug(name: str, expected: str) -> None:
    """Readable, lower-case, ASCII, of bounded length; accents fall off their letters."""
    assert slug(name) == expected


@pytest.mark.parametrize("name", ["", "   ", "!!!", "ж", "日本語"])
def test_a_name_that_gives_no_file_name(name: str) -> None:
    """It is asked for again, with an example."""
    with pytest.raises(UnusableNameError, match="gives no file name") as caught:
        slug(name)
    assert "--name" in caught.value.hint


def test_the_first_and_the_next(tmp_path: Path) -> None:
    """Numbered on from the highest, the folder made if need be; `latest.txt` names the newest."""
    folder = tmp_path / "project" / "migrations"
    assert create_migration(folder, "first").name == "0001_first.py"
    (folder / "0041_by_hand.py").write_text("def up(db): ...\n")
    assert create_migration(folder, "next").name == "0042_next.py"
    assert (folder / "latest.txt").read_text() == "0042_next.py\n"
    assert [one.version for one in load_migrations(folder)] == [1, 41, 42]


def test_a_new_file_is_a_migration(tmp_path: Path) -> None:
    """It has both directions, carries name and time in its header, and may run in a transaction."""
    path = create_migration(tmp_path, "Add user roles")
    migration = read_migration(path)
    assert (migration.version, migration.name) == (1, "Add user roles")
    assert migration.down is not None
    assert migration.up.blockers == ()
    assert re.search(r"^Created: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$", path.read_text(), re.MULTILINE)
    assert "$" not in re.sub(r'"\$\w+"', "", path.read_text())


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_any_name_gives_a_migration_or_a_question(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """Quotes, newlines, backslashes, dollar signs: the file can be read and its name is the given one."""
    folder = tmp_path_factory.mktemp("migrations")
    try:
        path = create_migration(folder, name)
    except UnusableNameError:
        assert not list(folder.iterdir())
        return
    migration = read_migration(path)
    assert migration.version == 1
    assert migration.path.name.isascii()
    plain = " ".join(name.split())
    assert migration.name == plain or set('\\"') & set(plain) or not plain.isprintable()


def test_a_broken_neighbour_stops_it(tmp_path: Path) -> None:
    """Otherwise its version might be taken; nothing is written."""
    (tmp_path / "0001_broken.py").write_text("def up(:\n")
    with pytest.raises(MigrationLoadError):
        create_migration(tmp_path, "next")
    assert [one.name for one in tmp_path.iterdir()] == ["0001_broken.py"]


KINDS = [(kind, is_async) for kind in get_args(Kind) for is_async in (False, True)]


@pytest.mark.parametrize(("kind", "is_async"), KINDS)
def test_each_kind_is_a_migration(tmp_path: Path, kind: Kind, is_async: bool) -> None:
    """Both directions, tidy, of the asked colour; run unchanged it does nothing, so no half-filled file does harm."""
    path = create_migration(tmp_path, "Add user roles", kind=kind, is_async=is_async)
    migration = read_migration(path)
    assert migration.name == "Add user roles"
    assert migration.down is not None
    for header in (migration.up, migration.down):
        assert header.is_async is is_async
        assert header.takes_context is (kind == "batched")
        assert header.blockers == ()
    assert_tidy(path.read_text(encoding="utf-8"), longest=120)
    module: dict[str, Any] = {}
    exec(path.read_text(encoding="utf-8"), module)
    arguments = (None, None) if kind == "batched" else (None,)
    for direction in ("up", "down"):
        done = module[direction](*arguments)
        if is_async:
            asyncio.run(done)


@pytest.mark.parametrize(("kind", "is_async"), KINDS)
def test_each_kind_shows_code_that_works(tmp_path: Path, kind: Kind, is_async: bool) -> None:
    """Its examples, brought to life, are Python that is tidy and still a migration."""
    path = create_migration(tmp_path, "x", kind=kind, is_async=is_async)
    code = re.compile(r"^    # (?=(await |async for |for |if |    |db\.|shared = ))", re.MULTILINE)
    text, count = code.subn("    ", path.read_text(encoding="utf-8"))
    assert count >= 2
    path.write_text(text, encoding="utf-8")
    assert_tidy(text, longest=120)
    assert read_migration(path).retry == ("safe" if kind == "indexes" else None)
    assert bool(read_migration(path).up.blockers) is (kind == "indexes")


def own_template(folder: Path, text: str, name: str = "data") -> Path:
    """A template of the project's."""
    path = folder / TEMPLATES / f"{name}.py.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_projects_template_wins(tmp_path: Path) -> None:
    """With the placeholders filled in and dollars kept; other kinds stay as shipped."""
    own_template(
        tmp_path, '"""\nMigration: ${title}\nBy us: $version, $created\n"""\n\nCOST = "$$5"\n\n\ndef up(db): ...\n'
    )
    text = create_migration(tmp_path, 'say "yes"').read_text(encoding="utf-8")
    assert re.fullmatch(
        r'"""\nMigration: say "yes"\nBy us: 1, \d{4}-\S+Z\n"""\n\nCOST = "\$5"\n\n\ndef up\(db\): \.\.\.\n', text
    )
    assert "By us" not in create_migration(tmp_path, "more", is_async=True).read_text(encoding="utf-8")
    assert "By us" not in create_migration(tmp_path, "more", kind="indexes").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("def up(db):\n    db.a.update_many({}, {'$set': 1})\n", 2, "`$set` is not a placeholder"),
        ("# $name\ndef up(db): ...\n", 1, "`$name` is not a placeholder"),
        ("# ${nam}\ndef up(db): ...\n", 1, "`$nam` is not a placeholder"),
        ("def up(db): ...\n\n# 5 $ each\n", 3, "`$ each` is not a placeholder"),
        ("# $title\ndef up(db:\n    ...\n", 2, "no migration: syntax error"),
        ("def down(db): ...\n", None, "no migration: has no `up` function"),
        ('"""\nVersion: 7\n"""\ndef up(db): ...\n', 2, "no migration: the header says version 7"),
    ],
)
def test_a_broken_template(tmp_path: Path, text: str, line: int | None, said: str) -> None:
    """File, line and placeholder are named, and nothing is written."""
    path = own_template(tmp_path, text)
    with pytest.raises(MigrationLoadError) as caught:
        create_migration(tmp_path, "x")
    assert (caught.value.path, caught.value.line) == (path, line)
    assert caught.value.message.startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert said in caught.value.message
    assert "0001_x.py" not in caught.value.message
    assert "othing was written" in caught.value.hint
    assert [one.name for one in tmp_path.iterdir()] == [TEMPLATES]


def test_a_template_that_is_not_text(tmp_path: Path) -> None:
    """It is named."""
    path = own_template(tmp_path, "")
    path.write_bytes(b"\xff")
    with pytest.raises(MigrationLoadError, match="is not UTF-8 text"):
        create_migration(tmp_path, "x")


def test_a_template_that_nothing_would_use(tmp_path: Path) -> None:
    """A misspelt name is an error with the names that there are, whatever is created."""
    own_template(tmp_path, "", "bached")
    with pytest.raises(MigrationLoadError, match=r"bached\.py\.txt: no kind of migration") as caught:
        create_migration(tmp_path, "x")
    assert "batched.py.txt, batched_async.py.txt" in caught.value.hint


def test_templates_are_no_migrations(tmp_path: Path) -> None:
    """The folder beside the migrations is in nobody's way."""
    own_template(tmp_path, "def up(db): ...\n")
    create_migration(tmp_path, "x")
    assert [one.version for one in load_migrations(tmp_path)] == [1]
