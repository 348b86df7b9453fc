"""Many made-up documents: all consistent, always the same, in flat memory; and killed at every command."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from tests.faults.nursery import Nursery
from tests.faults.test_kill_seed import kill_at_every_command
from tests.integration.seeds.test_generate import COLLECTIONS, RULES, WAYRA, digest, orphans
from tests.support import Sandbox
from wayra_db.schema.loader import load_collections

Documents = Database[dict[str, Any]]


@pytest.mark.parametrize("command", [("seed", "generate", "--profile", "demo"), ("seed", "clear", "--yes")])
def test_killed_at_every_command_it_comes_to_the_same_end(
    sandbox: Sandbox, wayra_database: Documents, nursery: Nursery, command: tuple[str, ...]
) -> None:
    """The same documents, each noted, or none of them."""
    sandbox.write("collections/all.py", COLLECTIONS)
    sandbox.write("scripts/generate.py", RULES)

    def prepare() -> None:
        with sandbox.open() as project:
            project.schema.apply()
            project.indexes.apply()
            if "clear" in command:
                project.seeds.generate(project.seeds.profile("demo"))

    kills = kill_at_every_command(sandbox, wayra_database, nursery, command, prepare)
    assert kills >= 8
    assert wayra_database.trips.count_documents({}) == (0 if "clear" in command else 30)


def test_a_hundred_thousand_users_and_five_hundred_thousand_trips(
    sandbox: Sandbox, wayra_database: Documents, nursery: Nursery
) -> None:
    """Wayra's profile `large`: owners and collaborators exist, documents pass, the same hash twice, below 200 MB."""
    for name in ("collections/users.py", "collections/trips.py", "scripts/generate.py"):
        sandbox.write(name, (WAYRA / name).read_text())
    with sandbox.open() as project:
        project.schema.apply()
    ended = nursery.run(sandbox, "seed", "generate", "--profile", "large")
    assert ended.code == 0, ended.said
    assert ended.peak_kilobytes < 200_000
    counts = {name: wayra_database[name].count_documents({}) for name in ("users", "trips")}
    assert counts == {"users": 100_000, "trips": 500_000}
    for collection in load_collections(WAYRA / "collections"):
        broken = {"$nor": [dict(collection.validator or {})]}
        assert wayra_database[collection.name].count_documents(broken) == 0
    assert (orphans(wayra_database, "owner"), orphans(wayra_database, "collaborators.userId")) == (0, 0)
    found = digest(wayra_database, "users", "trips")
    for name in counts:
        wayra_database[name].delete_many({})
    wayra_database["_wayra_seeds"].delete_many({})
    wayra_database["_wayra_seeded"].delete_many({})
    again = nursery.run(sandbox, "seed", "generate", "--profile", "large", "--workers", "2")
    assert again.code == 0, again.said
    assert digest(wayra_database, "users", "trips") == found
