from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from wayra_db.errors import DuplicateVersionError, MigrationLoadError
from wayra_db.migrations.loader import load_migrations, read_migration
from wayra_db.migrations.model import DirectionHeader

UP = "def up(db): ...\n"


def written(folder: Path, name: str, source: str = UP) -> Path:
    """A file with a source text, dedented."""
    path = folder / name
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return path


def test_everything_a_file_says(tmp_path: Path) -> None:
    """Header, both directions, flags."""
    path = written(
        tmp_path,
        "0003_add_user_roles.py",
        '''\
        """
        Migration: Add User Roles
        Version: 3
        Created: 2026-11-23T00:00:00.000Z
        """
        transactional = False
        retry = "safe"

        async def up(db, ctx):
            await db.users.create_index("role")

        def down(db):
            db.users.update_many({}, {"$unset": {"role": 1}})
        ''',
    )
    migration = read_migration(path)
    assert (migration.version, migration.name, migration.path) == (3, "Add User Roles", path)
    assert migration.up == DirectionHeader(9, True, True, ("create_index (line 10)",))
    assert migration.down == DirectionHeader(12, False, False)
    assert migration.transactional is False
    assert migration.retry == "safe"


def test_the_least_a_file_can_say(tmp_path: Path) -> None:
    """The name comes from the file's; everything else has its default."""
    migration = read_migration(written(tmp_path, "12_tidy_up.py"))
    assert (migration.version, migration.name) == (12, "tidy up")
    assert migration.down is None
    assert migration.transactional is None
    assert migration.retry is None


def test_a_folder_in_the_order_of_versions(tmp_path: Path) -> None:
    """As numbers, not as text; helpers and other files are left alone, and nothing is executed."""
    for name in ("10_ten.py", "9_nine.py", "0011_eleven.py"):
        written(tmp_path, name, f"raise SystemExit\n{UP}")
    for name in ("_common.py", "latest.txt", "README.md"):
        written(tmp_path, name, "not a migration(")
    (tmp_path / "__pycache__").mkdir()
    assert [one.version for one in load_migrations(tmp_path)] == [9, 10, 11]


@pytest.mark.parametrize("missing", [True, False])
def test_no_migrations(tmp_path: Path, missing: bool) -> None:
    """A missing folder and an empty one hold none."""
    assert load_migrations(tmp_path / "migrations" if missing else tmp_path) == ()


def test_one_version_twice(tmp_path: Path) -> None:
    """Both files are named; leading zeros don't make another version."""
    written(tmp_path, "0003_one.py")
    written(tmp_path, "03_two.py")
    with pytest.raises(DuplicateVersionError) as caught:
        load_migrations(tmp_path)
    assert "0003_one.py and 03_two.py" in caught.value.message
    assert caught.value.versions == (3,)
    assert "wayra-db migrate renumber" in caught.value.hint


@pytest.mark.parametrize(
    "name",
    ["add_roles.py", "3-add-roles.py", "v3_roles.py", "3.py", "3_.py", "0003_añadir.py", "٣_roles.py", "3_a b.py"],
)
def test_names_that_are_no_migrations(tmp_path: Path, name: str) -> None:
    """Each is refused with an example of a right name; ASCII only, as the name travels between systems."""
    with pytest.raises(MigrationLoadError, match="is not named like a migration") as caught:
        load_migrations(written(tmp_path, name).parent)
    assert "0003_add_user_roles.py" in caught.value.hint


@pytest.mark.parametrize("number", ["0", "0000", str(2**63)])
def test_versions_out_of_range(tmp_path: Path, number: str) -> None:
    """Versions begin at 1 and end where BSON's integers end."""
    with pytest.raises(MigrationLoadError, match="versions go from 1 to"):
        read_migration(written(tmp_path, f"{number}_x.py"))


@pytest.mark.parametrize("header", ["Version: 3", "Version: 0003", "Version:3  ", "Version: 3\n\nVersion: is not this"])
def test_headers_that_agree(tmp_path: Path, header: str) -> None:
    """With zeros as in the file's name or without; only the first of two counts."""
    assert read_migration(written(tmp_path, "0003_x.py", f'"""\n{header}\n"""\n{UP}')).version == 3


@pytest.mark.parametrize("stated", ["4", "30", "three", "3.0", "0"])
def test_headers_that_disagree(tmp_path: Path, stated: str) -> None:
    """A renamed file is noticed, with the header's line."""
    path = written(tmp_path, "0003_x.py", f'"""\nMigration: X\nVersion: {stated}\n"""\n{UP}')
    with pytest.raises(MigrationLoadError, match=rf":3: the header says version {stated}, the file name 3"):
        read_migration(path)


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("x = 1\n", None, "has no `up` function"),
        ("def down(db): ...\n", None, "has no `up` function"),
        ("up = lambda db: None\n", None, "has no `up` function"),
        ("def up(): ...\n", 1, "`up` takes no database"),
        ("def up(*, db): ...\n", 1, "`up` takes no database"),
        (UP + "def down(): ...\n", 2, "`down` takes no database"),
        ("def up(db, ctx, x): ...\n", 1, "`up` asks for `x`"),
        ("def up(db, *, k): ...\n", 1, "`up` asks for `k`"),
        ("async def up(db, ctx, /, *, j=1, k): ...\n", 1, "`up` asks for `k`"),
        (UP + "def down(db, ctx, x, y=1): ...\n", 2, "`down` asks for `x`"),
        ("def up(db:\n", 1, "syntax error"),
        (UP + "transactional = 'no'\n", 2, "`transactional` must be True or False, written out"),
        (UP + "transactional = 0\n", 2, "`transactional` must be True or False, written out"),
        (UP + "transactional = 1\n", 2, "`transactional` must be True or False, written out"),
        (UP + "transactional = None\n", 2, "`transactional` must be True or False, written out"),
        (UP + "transactional = [True]\n", 2, "`transactional` must be True or False, written out"),
        (UP + "transactional = not True\n", 2, "`transactional` must be True or False, written out"),
        (UP + "retry = True\n", 2, "`retry` must be 'safe' or 'manual', written out"),
        (UP + "retry = 'always'\n", 2, "`retry` must be 'safe' or 'manual', written out"),
    ],
)
def test_files_that_are_no_migrations(tmp_path: Path, source: str, line: int | None, message: str) -> None:
    """Each mistake with file, line and a hint; exit code 12."""
    path = written(tmp_path, "0001_x.py", source)
    with pytest.raises(MigrationLoadError) as caught:
        load_migrations(tmp_path)
    assert message in caught.value.message
    assert (caught.value.path, caught.value.line) == (path, line)
    assert caught.value.hint
    assert caught.value.exit_code == 12


@pytest.mark.parametrize(
    "arguments", ["db", "db, ctx", "db, ctx, x=1", "*args", "db, *, k=1", "db, **more", "db, ctx=None, /, *rest"]
)
def test_arguments_that_nobody_has_to_give(tmp_path: Path, arguments: str) -> None:
    """What has a default, or takes whatever comes, may stand there."""
    read_migration(written(tmp_path, "1_x.py", f"def up({arguments}): ...\n"))


@pytest.mark.parametrize(("source", "value"), [("True", True), ("False", False)])
def test_the_flag_is_taken_as_written(tmp_path: Path, source: str, value: bool) -> None:
    """An explicit true is kept apart from silence."""
    assert read_migration(written(tmp_path, "1_x.py", f"{UP}transactional: bool = {source}\n")).transactional is value


def test_the_checksum_sees_every_character_but_line_endings(tmp_path: Path) -> None:
    """A comment is an edit; a checkout with CRLF is none."""
    plain = read_migration(written(tmp_path, "1_x.py")).checksum
    (tmp_path / "1_x.py").write_bytes(UP.replace("\n", "\r\n").encode())
    assert read_migration(tmp_path / "1_x.py").checksum == plain
    assert read_migration(written(tmp_path, "1_x.py", UP + "# later\n")).checksum != plain
