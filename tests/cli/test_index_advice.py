from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.cli.conftest import call
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode

DECLARED = """
from pymongo import IndexModel
from wayra_db import Collection

people = Collection("people", indexes=[IndexModel("city")])
"""


@pytest.fixture
def shop(sandbox: Sandbox, wayra_database: Database[dict[str, Any]]) -> Sandbox:
    """A project with a collection, a declared index and a live one that nobody declares."""
    sandbox.write("collections/people.py", DECLARED)
    assert call(sandbox, "init").code == ExitCode.OK
    wayra_database.people.insert_many({"city": f"secret{number % 50}", "n": number} for number in range(800))
    wayra_database.people.create_index([("city", 1), ("n", 1)])
    return sandbox


def test_record_suggest_explain_forget(shop: Sandbox, wayra_database: Database[dict[str, Any]], tmp_path: Path) -> None:
    """The whole way, as the page tells it; no recorded value is shown anywhere."""
    ended = call(shop, "indexes", "suggest")
    assert ended.stdout.splitlines()[0].startswith("Nothing is recorded in the profiler.")
    ended = call(shop, "indexes", "profile", "on", "--level", "2")
    assert ended.stdout.startswith("The server records everything now. Set it back: ")
    list(wayra_database.people.find({"n": {"$gt": 5}, "city": "secret1"}).sort("n", -1).limit(2))
    list(wayra_database.people.find({"n": 7}))
    report = call(shop, "indexes", "profile", "report")
    assert "2 operations of 2 shapes recorded:" in report.stdout
    shape = next(line.split()[0] for line in report.stdout.splitlines() if line.endswith("people.find {n: ?}"))
    assert call(shop, "indexes", "profile", "off").stdout.strip().endswith(": off")

    page = tmp_path / "suggest.html"
    ended = call(shop, "indexes", "suggest", "--prove", "--html", str(page))
    assert ended.code == ExitCode.OK
    assert 'people  IndexModel([("n", 1)]),' in ended.stdout
    assert "proved: chosen by 1 of 1 recorded query" in ended.stdout
    assert "  1 shape: well served" in ended.stdout
    assert "800 of 800 of people" in ended.stdout
    explained = call(shop, "indexes", "explain", "--shape", shape)
    assert "Reads the whole collection and keeps those that match by n." in explained.stdout
    assert 'An index that serves it: IndexModel([("n", 1)])' in explained.stdout
    for text in (ended.stdout, ended.stderr, report.stdout, explained.stdout, page.read_text()):
        assert "secret" not in text
    call(shop, "indexes", "profile", "off", "--forget")
    assert "system.profile" not in wayra_database.list_collection_names()


def test_advice_needs_no_declarations(
    sandbox: Sandbox, wayra_database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    """On any database, with a settings file alone; what compares declarations names the missing folder."""
    wayra_database.people.insert_many({"city": number % 50, "n": number} for number in range(800))
    wayra_database.people.create_index("city", name="old")
    with sandbox.open(adopt=True) as project:
        project.indexes.sample_usage()  # claims the database, which holds data
    call(sandbox, "indexes", "profile", "on", "--level", "2")
    list(wayra_database.people.find({"n": 7}))
    call(sandbox, "indexes", "profile", "off")
    assert 'people  IndexModel([("n", 1)]),' in call(sandbox, "indexes", "suggest").stdout
    page = tmp_path / "usage.html"
    ended = call(sandbox, "indexes", "usage", "--html", str(page))
    assert ended.code == ExitCode.OK
    assert "people.old" in ended.stdout
    assert "not declared" not in ended.stdout
    assert "Declared against live" not in page.read_text()
    assert call(sandbox, "indexes", "retire", "people.old", "--watch", "1s").code == ExitCode.OK
    assert call(sandbox, "indexes", "undo", "--yes").code == ExitCode.OK
    assert "old" in wayra_database.people.index_information()
    for refused in ("plan", "apply"):
        ended = call(sandbox, "indexes", refused)
        assert ended.code == ExitCode.CONFIGURATION
        assert "no such folder of collections" in ended.stderr


def test_usage(shop: Sandbox, wayra_database: Database[dict[str, Any]], tmp_path: Path) -> None:
    """A table, the findings with evidence and next step, a page with the plan, and a sample when asked for."""
    page = tmp_path / "usage.html"
    ended = call(shop, "indexes", "usage", "--sample", "--html", str(page))
    assert ended.code == ExitCode.OK
    assert "people.city_1_n_1" in ended.stdout
    assert "redundant  people.city_1: city_1_n_1 does all that it does: its key is the beginning" in ended.stdout
    assert "→ Take it out of its collection's declaration. Then hide, watch and drop it: " in ended.stdout
    assert "Kept a sample of 3 counters." in ended.stderr
    assert wayra_database["_wayra_index_samples"].count_documents({}) == 1
    html = page.read_text()
    for part in ("<h2>Findings</h2>", "<h2>Size</h2>", "<h2>Use</h2>", "<h2>Declared against live</h2>", "<svg"):
        assert part in html
    assert "http" not in html.replace("https://", "http://").replace("http://www.w3.org", "")
    document = json.loads(call(shop, "indexes", "usage", "--json").stdout)
    assert document["samples"] == 1
    assert {one["name"] for one in document["indexes"]} == {"_id_", "city_1", "city_1_n_1"}


def test_json_of_a_suggestion(shop: Sandbox, wayra_database: Database[dict[str, Any]]) -> None:
    """One document, with the shapes and without a value."""
    wayra_database.command("profile", 2)
    list(wayra_database.people.find({"n": 7}))
    wayra_database.command("profile", 0)
    ended = call(shop, "indexes", "suggest", "--prove", "--json")
    document = json.loads(ended.stdout)
    assert [one["declaration"] for one in document["proposals"]] == ['IndexModel([("n", 1)])']
    assert document["proposals"][0]["proof"]["chosen"] == 1
    assert document["recorded"]["source"] == "the profiler"
    assert "secret" not in ended.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("suggest", "--whole"),
        ("suggest", "--query-stats", "--log", __file__),
        ("explain",),
        ("explain", __file__, "--shape", "x"),
        ("profile", "on", "--level", "3"),
    ],
)
def test_wrong_use(shop: Sandbox, arguments: tuple[str, ...]) -> None:
    """Two sources, a flag without its other, no query or two."""
    assert call(shop, "indexes", *arguments).code == ExitCode.USAGE


def test_an_unreadable_query(shop: Sandbox, tmp_path: Path) -> None:
    """Said with an example of a readable one."""
    path = tmp_path / "query.json"
    path.write_text("db.people.find()")
    ended = call(shop, "indexes", "explain", str(path))
    assert ended.code == ExitCode.FAILED
    assert "error[index-management]: this is no JSON" in ended.stderr
    assert '{"find": "trips"' in ended.stderr
