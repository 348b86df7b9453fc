from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.errors import ConfigError, MigrationLoadError
from wayra_db.migrations.loader import load_migrations, read_migration
from wayra_db.migrations.scaffold import LATEST, create_migration, slug


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


@pytest.mark.parametrize("name", ["", "   ", "!!!", "ж"])
def test_a_name_that_gives_no_file_name(name: str) -> None:
    """It is asked for again, with an example."""
    with pytest.raises(ConfigError, match="gives no file name") as caught:
        slug(name)
    assert "--name" in caught.value.hint


def test_the_first_and_the_next(tmp_path: Path) -> None:
    """Numbered on from the highest, the folder made if need be; `latest.txt` names the newest."""
    folder = tmp_path / "project" / "migrations"
    assert create_migration(folder, "first").name == "0001_first.py"
    (folder / "0041_by_hand.py").write_text("def up(db): ...\n")
    assert create_migration(folder, "next").name == "0042_next.py"
    assert (folder / LATEST).read_text() == "0042_next.py\n"
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
    except ConfigError:
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
