from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient, IndexModel, MongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.collection import Collection as DriverCollection
from pymongo.database import Database

from tests.unit.migrations.lint.support import DOWN, ids, lint, only, write
from wayra_db import Collection
from wayra_db.errors import ConfigError
from wayra_db.migrations.lint import (
    DeclaredFields,
    asks_for_declarations,
    declared_fields,
    driver,
    lint_folder,
    lint_migrations,
    lint_paths,
)
from wayra_db.migrations.lint.source import follow
from wayra_db.migrations.loader import load_migrations
from wayra_db.migrations.model import DirectionHeader, Migration

ROOT = Path(__file__).parents[4]
BAD = f"def up(db):\n    db.users.update_many({{}}, {{'$set': {{'a': 1}}}})\n{DOWN}"
GOOD = f"def up(db):\n    db.users.update_many({{'a': None}}, {{'$set': {{'a': 1}}}})\n{DOWN}"


def test_wayra_is_clean() -> None:
    """The first application, without a suppression."""
    report = lint_folder(ROOT / "wayra" / "migrations")
    assert report.findings == report.suppressed == ()
    assert len(report.files) == len(list((ROOT / "wayra" / "migrations").glob("*.py")))


def test_an_empty_folder_and_none(tmp_path: Path) -> None:
    """Nothing to say."""
    assert lint_folder(tmp_path).is_clean(strict=True)
    assert lint_folder(tmp_path / "missing").files == ()


def test_a_broken_file_hides_no_other(tmp_path: Path) -> None:
    """Its mistake is a finding at its line; helpers are not looked at."""
    files = {"0001_broken.py": "def up(db):\n    (\n", "0002_bad.py": BAD, "_helper.py": "(", "0003-name.py": GOOD}
    report = lint(tmp_path, {**files, "latest.txt": "0002_bad.py\n"})
    found = {finding.path.name: finding for finding in report.findings}
    assert {name: finding.rule.id for name, finding in found.items()} == {
        "0001_broken.py": "MG001",
        "0002_bad.py": "MG101",
        "0003-name.py": "MG001",
    }
    assert found["0001_broken.py"].line == 2
    assert "syntax error" in found["0001_broken.py"].message
    assert "0003_add_user_roles.py" in found["0003-name.py"].message


def test_single_files_know_their_neighbours(tmp_path: Path) -> None:
    """Only the named ones are judged, but an earlier migration counts; a broken neighbour is not their fault."""
    write(
        tmp_path,
        {
            "0001_bad.py": BAD,
            "0002_aside.py": "def up(db):\n    db.old.rename('older')\n\n\ndef down(db):\n    db.older.rename('old')\n",
            "0003_drop.py": "def up(db):\n    db.older.drop()\n\n\ndef down(db):\n    db.create_collection('older')\n",
            "0004_broken.py": "(",
        },
    )
    report = lint_paths([tmp_path / "0003_drop.py"])
    assert report.files == (tmp_path / "0003_drop.py",)
    assert report.findings == ()
    assert ids(lint_paths([tmp_path / "0001_bad.py", tmp_path / "0004_broken.py"])) == ["MG101", "MG001"]


def test_relative_paths_stay_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finding names the file as the user did."""
    write(tmp_path, {"0001_bad.py": BAD})
    monkeypatch.chdir(tmp_path)
    found = only(lint_paths([Path("0001_bad.py")]))
    assert str(found.path) == "0001_bad.py"


def test_loaded_migrations(tmp_path: Path) -> None:
    """What a manager hands over; the same findings."""
    write(tmp_path, {"0001_bad.py": BAD, "0002_good.py": GOOD})
    report = lint_migrations(load_migrations(tmp_path))
    assert ids(report) == ["MG101"]
    assert report.to_dict()["files"] == [str(tmp_path / "0001_bad.py"), str(tmp_path / "0002_good.py")]


def test_some_rules(tmp_path: Path) -> None:
    """By id or slug, in any case; unknown ones are refused with the nearest."""
    write(tmp_path, {"0001_bad.py": BAD})
    assert ids(lint_folder(tmp_path, select=["mg101"])) == ["MG101"]
    assert ids(lint_folder(tmp_path, select=["MG102"])) == []
    assert ids(lint_folder(tmp_path, ignore=["unbatched-update"])) == []
    with pytest.raises(ConfigError, match="Did you mean 'MG101'"):
        lint_folder(tmp_path, select=["MG1011"])


@pytest.mark.parametrize(
    ("latest", "expected"),
    [
        ("0002_b.py\n", []),
        ("0001_a.py\n", ["MG003"]),
        ("", ["MG003"]),
        ("<<<<<<< ours\n0002_b.py\n=======\n0002_c.py\n>>>>>>> theirs\n", ["MG003"]),
    ],
)
def test_latest(tmp_path: Path, latest: str, expected: list[str]) -> None:
    """Judged with the folder, not with single files."""
    report = lint(tmp_path, {"0001_a.py": GOOD, "0002_b.py": GOOD, "latest.txt": latest})
    assert ids(report) == expected
    assert ids(lint_paths([tmp_path / "0002_b.py"])) == []


def test_a_version_that_stands_twice(tmp_path: Path) -> None:
    """Leading zeros make no other number."""
    report = lint(tmp_path, {"0002_a.py": GOOD, "2_b.py": GOOD, "0003_c.py": GOOD, "latest.txt": "0003_c.py"})
    found = only(report)
    assert (found.rule.id, found.path.name) == ("MG002", "2_b.py")
    assert "0002_a.py" in found.message


def test_nothing_is_run(tmp_path: Path) -> None:
    """Neither the file nor what it imports."""
    mark = tmp_path / "mark"
    text = f"import not_there\nopen({str(mark)!r}, 'w').close()\n\n\ndef up(db):\n    db.a.find_one({{}})\n{DOWN}"
    assert lint(tmp_path, text).findings == ()
    assert not mark.exists()


def test_linting_imports_no_driver(tmp_path: Path) -> None:
    """It must be quick in a pre-commit hook."""
    write(tmp_path, {"0001_bad.py": BAD})
    heavy = "{'pymongo', 'bson', 'click', 'rich'}"
    code = (
        "import sys; from pathlib import Path; from wayra_db.migrations.lint import lint_folder; "
        f"lint_folder(Path({str(tmp_path)!r})); print(sorted({heavy} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_who_asks_for_declarations(tmp_path: Path) -> None:
    """Reading them runs code, so only when a file renames fields."""
    write(tmp_path, {"0001_bad.py": BAD, "0002_rename.py": "x = {'$rename': {'a': 'b'}}"})
    assert not asks_for_declarations([tmp_path / "0001_bad.py", tmp_path / "missing.py"])
    assert asks_for_declarations([tmp_path / "0002_rename.py"])


def test_declared_fields() -> None:
    """Keys, partial filters, and every path that a validator names."""
    users = Collection(
        "users",
        validator={
            "$jsonSchema": {
                "required": ["email"],
                "properties": {"trips": {"bsonType": "array", "items": {"properties": {"title": {}}}}},
                "anyOf": [{"required": ["phone"]}],
            },
            "$expr": {"$lte": ["$from", {"$ifNull": ["$to", "$$NOW"]}]},
            "$or": [{"role": "user"}, {"role": "admin"}],
        },
        indexes=[
            IndexModel([("email", 1), ("address.city", 1)], partialFilterExpression={"isActive": True}),
            IndexModel([("$**", 1)]),
        ],
    )
    assert declared_fields([users, Collection("trips")]) == {
        "users": DeclaredFields(
            indexed=frozenset({"email", "address.city", "isActive"}),
            validated=frozenset({"email", "trips", "trips.title", "phone", "from", "to", "role"}),
        ),
        "trips": DeclaredFields(),
    }


def methods(*kinds: type) -> set[str]:
    """The public methods of these classes."""
    return {
        name
        for kind in kinds
        for name in dir(kind)
        if not name.startswith("_") and callable(getattr(kind, name)) and not isinstance(getattr(kind, name), property)
    }


@pytest.mark.parametrize(
    ("known", "kinds"),
    [
        (driver.DATABASE_METHODS, (Database, AsyncDatabase)),
        (driver.COLLECTION_METHODS, (DriverCollection, AsyncCollection)),
        (driver.CLIENT_METHODS, (MongoClient, AsyncMongoClient)),
    ],
)
def test_the_drivers_methods_are_known(known: frozenset[str], kinds: tuple[type, ...]) -> None:
    """A method that is not known would be taken for a collection of that name."""
    missing = {name for name in methods(*kinds) - known if name not in ("next", "aconnect", "aclose", "eq_props")}
    assert missing == set()
    assert known <= methods(*kinds)


PYTHON = sorted(path for path in (ROOT / "src").rglob("*.py"))[:: 1 if os.environ.get("CI") else 3]


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.stem)
def test_any_python_can_be_followed(path: Path) -> None:
    """Code that is no migration at all, with an `up` and a `down` at its end that call its functions."""
    text = path.read_text(encoding="utf-8")
    calls = "\n".join(
        f"    {line.split('(')[0].removeprefix('def ')}(db, db.users, *[{{}}])"
        for line in text.splitlines()
        if line.startswith("def ")
    )
    text += f"\n\ndef up(db, ctx):\n    pass\n{calls}\n\n\ndef down(db):\n    up(db, None)\n"
    header = DirectionHeader(1, False, True)
    source = follow(Migration(1, "x", path, "", header, header), text)
    assert source.down is not None
