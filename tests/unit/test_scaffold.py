from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from string import Template

import pytest

from wayra_db.errors import ConfigError
from wayra_db.migrations.loader import load_migrations
from wayra_db.scaffold import create_project, project_name
from wayra_db.schema.loader import load_collections
from wayra_db.seeds.loader import load_seeds
from wayra_db.settings import load_settings


def test_a_new_project_is_whole(tmp_path: Path) -> None:
    """Its settings, collections, migrations and seeds load without a mistake."""
    written = create_project(tmp_path / "My Shop")
    assert all(path.is_file() for path in written)
    settings = load_settings(start=tmp_path / "My Shop")
    assert settings.database_name == "my_shop"
    assert [one.name for one in load_collections(settings.collections_dir)] == ["users"]
    assert [one.version for one in load_migrations(settings.migrations_dir)] == [1]
    assert [one.name for one in load_seeds(settings.seeds_dir)] == ["0001_sample_users"]
    assert (settings.migrations_dir / "latest.txt").read_text() == "0001_add_user_roles.py\n"


@pytest.mark.parametrize(
    ("before", "added"),
    [
        (None, [".wayra/", "backups/"]),
        ("", [".wayra/", "backups/"]),
        ("*.pyc\n", [".wayra/", "backups/"]),
        ("*.pyc", [".wayra/", "backups/"]),
        ("/.wayra\n", ["backups/"]),
        ("backups\n.wayra/\n", []),
    ],
)
def test_what_git_ignores(tmp_path: Path, before: str | None, added: list[str]) -> None:
    """A file that is there, as in a repository just made, keeps what it says and gets what it lacks."""
    path = tmp_path / ".gitignore"
    if before is not None:
        path.write_text(before)
    written = create_project(tmp_path)
    kept = (before or "").splitlines()
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert lines == [*kept, *added]
    assert (path in written) is bool(added)


def test_its_addresses_end_where_they_end(tmp_path: Path) -> None:
    """No line break slips in behind the last letter, as it does with a bare `$`."""
    create_project(tmp_path / "shop")
    [users] = load_collections(tmp_path / "shop" / "collections")
    pattern = users.create_options()["validator"]["$jsonSchema"]["properties"]["email"]["pattern"]
    assert re.search(pattern, "ada@example.com")
    assert not re.search(pattern, "ada@example.com\n")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """One file in the way, and none is written."""
    (tmp_path / "wayra-db.toml").write_text("mine")
    with pytest.raises(ConfigError, match="already has"):
        create_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["wayra-db.toml"]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("shop", "shop"),
        ("My Shop!", "my_shop"),
        ("../..", "project"),
        ("日本", "project"),
        ("x" * 90, "x" * 40),
        ("admin", "admin_db"),
        ("Config", "config_db"),
    ],
)
def test_a_folder_gives_a_name_for_a_database(folder: str, expected: str) -> None:
    """Whatever a folder is called, the database gets a name that the server takes."""
    assert project_name(folder) == expected


def test_the_compose_file_is_the_same_everywhere() -> None:
    """The repository's own and the one that a new project gets differ in the name only."""
    template = resources.files("wayra_db").joinpath("templates/project/compose.yaml.txt").read_text(encoding="utf-8")
    root = Path(__file__).parents[2] / "compose.yaml"
    assert Template(template).substitute(name="wayra-db") == root.read_text(encoding="utf-8")
