from __future__ import annotations

from pathlib import Path

import pytest

from wayra_db import sourcefile
from wayra_db.migrations.affected import Affected, affected

LIVE = ["archive.users", "orders", "trips", "users"]


def read(tmp_path: Path, text: str) -> Affected:
    """What a file with this text touches."""
    path = tmp_path / "0001_step.py"
    path.write_text(text, encoding="utf-8")
    return affected([sourcefile.parse(path)])


@pytest.mark.parametrize(
    ("body", "chosen"),
    [
        ("db.users.update_many({}, {})", ["users"]),
        ('db["users"].drop()', ["users"]),
        ("db[NAME].drop()", ["users"]),
        ("for name in NAMES: db[name].drop()", ["trips", "users"]),
        ("for name in ('users', 'orders'):\n        db[name].drop()", ["orders", "users"]),
        ("[db[name].drop() for name in NAMES]", ["trips", "users"]),
        ("db.archive.users.drop()", ["archive.users"]),
        ('db.archive["users"].drop()', ["archive.users"]),
        ('db["archive.users"].drop()', ["archive.users"]),
        ('db.get_collection("users").drop()', ["users"]),
        ('db.create_collection("new")', []),
        ('db.drop_collection("users")', ["users"]),
        ('getattr(db, "users").drop()', ["users"]),
        ('db.command("collMod", "users", validator={})', ["users"]),
        ('db.command({"collMod": "users"})', ["users"]),
        ('db.command("ping")', []),
        ("alias = db\n    alias.users.drop()", ["users"]),
        ("people = db.users\n    people.drop()", ["users"]),
        ("helper(db)", ["orders"]),
        ("helper(database=db)", ["orders"]),
        ('for batch in ctx.batches("users"): batch.delete_many()', ["users"]),
        ('db.users.rename("trips")', ["trips", "users"]),
        ('db.users.aggregate([{"$lookup": {"from": "trips", "as": "t"}}])', ["trips", "users"]),
        ('db.users.aggregate([{"$unionWith": "orders"}])', ["orders", "users"]),
        ('db.users.aggregate([{"$unionWith": {"coll": "orders"}}])', ["orders", "users"]),
        ('db.users.aggregate([{"$out": "orders"}])', ["orders", "users"]),
        ('db.users.aggregate([{"$merge": {"into": "orders"}}])', ["orders", "users"]),
        ('db.users.aggregate([{"$merge": {"into": {"db": "x", "coll": "orders"}}}])', ["orders", "users"]),
        ("print(db.name)", []),
        ("pass", []),
    ],
)
def test_names_that_stand_in_the_file(tmp_path: Path, body: str, chosen: list[str]) -> None:
    """However a collection is named, as long as it is written out; new ones are none to copy."""
    text = (
        'NAME = "users"\nNAMES = ["users", "trips"]\n\n'
        "def helper(database):\n    database.orders.drop()\n\n"
        f"def up(db, ctx):\n    {body}\n"
    )
    found = read(tmp_path, text)
    assert found.unclear == ()
    assert list(found.chosen(LIVE)) == chosen


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("db[input()].drop()", "the name of a collection is computed"),
        ('db[f"{1}"].drop()', "the name of a collection is computed"),
        ("for name in db.list_collection_names(): print(name)", "db.list_collection_names(...) may touch"),
        ("for name in names(): db[name].drop()", "the name of a collection is computed"),
        ('name = "users"\n    name = input()\n    db[name].drop()', "the name of a collection is computed"),
        ("elsewhere.fix(db)", "the database is handed to elsewhere.fix"),
        ("fix(db)", "the database is handed to fix"),
        ("helper(*[], db)", "the database is handed to helper"),
        ("things = [db]", "the database is handed on"),
        ("return db", "the database is handed on"),
        ("db.client.other.users.drop()", "db.client reaches every database"),
        ("db.command(given)", "the command is computed"),
        ('db.command("collMod", given)', "the name of a collection is computed"),
        ("db.archive[given].drop()", "the name of a collection is computed"),
        ("ctx.batches(given)", "the name of a collection is computed"),
        ('db.users.aggregate([{"$out": given}])', "the name of a collection is computed"),
        ("db.aggregate([])", "db.aggregate(...) may touch"),
    ],
)
def test_what_cannot_be_told_is_said_with_its_place(tmp_path: Path, body: str, why: str) -> None:
    """Then every collection is affected."""
    found = read(tmp_path, f"def helper(database):\n    pass\n\ndef up(db, ctx):\n    {body}\n")
    assert found.unclear
    assert found.unclear[0].startswith("0001_step.py:")
    assert why in found.unclear[0]
    assert list(found.chosen(LIVE)) == LIVE


def test_down_counts_and_recursion_ends(tmp_path: Path) -> None:
    """Both directions are read; functions that call each other are read once."""
    text = (
        "def a(x):\n    b(x)\n    x.users\n\ndef b(x):\n    a(x)\n\n"
        "def up(d):\n    a(d)\n\ndef down(d):\n    d.trips.drop()\n"
    )
    assert list(read(tmp_path, text).chosen(LIVE)) == ["trips", "users"]


def test_another_database_argument_is_not_taken_for_it(tmp_path: Path) -> None:
    """What a function does with its own `db` counts only if the database gets there."""
    assert read(tmp_path, "def unused(db):\n    db.users.drop()\ndef up(database):\n    pass\n").names == frozenset()
