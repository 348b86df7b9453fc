"""`kill -9` at every command that `migrate` and `migrate rollback` send, then again: the end state of a quiet run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from pymongo.database import Database

from tests.faults.nursery import Nursery
from tests.faults.test_kill_init import end_state, forget, lock_is_free
from tests.support import Sandbox
from wayra_db import audit
from wayra_db.mongo.client import Deployment

Documents = Database[dict[str, Any]]

TAKING_THE_LOCK = 10


def mixed(sandbox: Sandbox) -> None:
    """Migrations of each kind: atomic, async atomic, and two that are not atomic but may be repeated."""
    sandbox.migration(
        1,
        "db.counted.insert_one({'_id': 1, 'n': 0})\ndb.counted.update_one({'_id': 1}, {'$inc': {'n': 1}})",
        "db.counted.delete_one({'_id': 1})",
    )
    sandbox.migration(
        2,
        "await db.counted.update_one({'_id': 1}, {'$inc': {'n': 10}})\nawait db.other.insert_one({'_id': 2})",
        "await db.counted.update_one({'_id': 1}, {'$inc': {'n': -10}})\nawait db.other.delete_one({'_id': 2})",
        is_async=True,
    )
    sandbox.migration(
        3,
        "db.counted.create_index('n')",
        "db.counted.drop_index('n_1') if 'n_1' in db.counted.index_information() else None",
        head='retry = "safe"',
    )
    sandbox.migration(
        4,
        "db.counted.update_one({'_id': 1}, {'$set': {'last': 4}})",
        "db.counted.update_one({'_id': 1}, {'$unset': {'last': 1}})",
        head='transactional = False\nretry = "safe"',
    )


def batched(sandbox: Sandbox) -> None:
    """A sync and an async migration in batches, neither of which may be done twice."""
    sandbox.write(
        "migrations/0001_step.py",
        "def up(db, ctx):\n"
        "    for batch in ctx.batches('counted', {'skip': None}, size=3):\n"
        "        batch.update_many({'$inc': {'n': 1}})\n\n\n"
        "def down(db, ctx):\n"
        "    for batch in ctx.batches('counted', {'skip': None}, size=4):\n"
        "        batch.update_many({'$inc': {'n': -1}})\n",
    )
    sandbox.write(
        "migrations/0002_step.py",
        "async def up(db, ctx):\n"
        "    async for batch in ctx.batches('counted', size=4, key='other'):\n"
        "        await batch.update_many({'$inc': {'n': 10}})\n\n\n"
        "async def down(db, ctx):\n"
        "    async for batch in ctx.batches('counted', size=5):\n"
        "        await batch.update_many({'$inc': {'n': -10}})\n",
    )


def fill(database: Documents) -> None:
    """Eight documents to go over; two of them have one value of `other`."""
    database.counted.create_index("other")
    database.counted.insert_many(
        [{"_id": number, "n": 0, "other": number // 2} for number in range(7)]
        + [{"_id": "last", "n": 0, "other": None, "skip": True}]
    )


def state(database: Documents) -> dict[str, Any]:
    """The end state, with a log whose chain holds and no checkpoint left."""
    deployment = Deployment(database.client, database.name)
    return {
        **end_state(database),
        "chain is broken at": audit.first_broken(audit.read_entries(deployment)),
        "checkpoints": database["_wayra_checkpoints"].count_documents({}),
    }


def kill_at_every_command(
    sandbox: Sandbox,
    database: Documents,
    nursery: Nursery,
    command: tuple[str, ...],
    prepare: Callable[[], None],
    moment: str = "after",
    first: int = 1,
) -> int:
    """Kill `command` at its first command, at its second, ...; each time run it again and compare. How many kills.

    After one command is before the next, so either moment sees every state. `first` spares those that take the lock,
    which are the same for all.
    """
    prepare()
    quiet = nursery.run(sandbox, *command, "--yes")
    assert quiet.code == 0, quiet.said
    expected = state(database)
    assert expected["log without gaps"]
    for number in itertools.count(first):
        forget(database.client, database.name)
        prepare()
        killed = nursery.run(sandbox, *command, "--yes", kill=(moment, number))
        if killed.code == 0:
            break
        assert killed.code == -9, killed.said
        recorded = dict(end_state(database)["migrations"])
        for version in range(1, 5):
            if f"applied migration {version:04d}" in killed.said:
                assert recorded[version] == "applied", "said to be applied before it was"
        again = nursery.run(sandbox, *command, "--yes", "--lock-timeout", "0")
        assert again.code == 0, f"killed {moment} command {number}: {again.said}"
        assert state(database) == expected, f"killed {moment} command {number}"
        assert lock_is_free(database)
    return number - first


def test_up_killed_at_every_command(sandbox: Sandbox, wayra_database: Documents, nursery: Nursery) -> None:
    """Atomic, async and repeatable migrations: the next `up` goes on at once, nothing is lost and nothing repeated."""
    mixed(sandbox)
    assert kill_at_every_command(sandbox, wayra_database, nursery, ("migrate",), lambda: None) >= 30


def test_group_killed_at_every_command(sandbox: Sandbox, wayra_database: Documents, nursery: Nursery) -> None:
    """All of them in one transaction: either none is recorded, or all are and nothing is left to do."""
    for version in range(1, 5):
        sandbox.migration(version, f"db.counted.insert_one({{'_id': {version}}})")
    command = ("migrate", "up", "--group")
    assert kill_at_every_command(sandbox, wayra_database, nursery, command, lambda: None) >= 15
    assert wayra_database.counted.count_documents({}) == 4


def test_rollback_killed_at_every_command(sandbox: Sandbox, wayra_database: Documents, nursery: Nursery) -> None:
    """As `up`: what the first call had undone is not undone twice, the rest is."""
    mixed(sandbox)

    def migrated() -> None:
        with sandbox.open() as project:
            project.migrations.up()

    command = ("migrate", "rollback", "--all")
    assert kill_at_every_command(sandbox, wayra_database, nursery, command, migrated, "before", TAKING_THE_LOCK) >= 20


def test_batches_killed_at_every_command(sandbox: Sandbox, wayra_database: Documents, nursery: Nursery) -> None:
    """A walk goes on from its checkpoint: each document is met exactly once, by the sync and by the async migration."""
    batched(sandbox)

    def filled() -> None:
        with sandbox.open() as project:
            project.set_environment("development")
        fill(wayra_database)

    kills = kill_at_every_command(sandbox, wayra_database, nursery, ("migrate",), filled, first=TAKING_THE_LOCK)
    assert kills >= 20
    ended = {one["_id"]: one["n"] for one in wayra_database.counted.find()}
    assert ended.pop("last") == 10
    assert set(ended.values()) == {11}


def test_rolling_back_batches_killed_at_every_command(
    sandbox: Sandbox, wayra_database: Documents, nursery: Nursery
) -> None:
    """`down` goes in batches as `up` does."""
    batched(sandbox)

    def migrated() -> None:
        fill(wayra_database)
        with sandbox.open(adopt=True) as project:
            project.migrations.up()

    command = ("migrate", "rollback", "--all")
    kills = kill_at_every_command(sandbox, wayra_database, nursery, command, migrated, "before", TAKING_THE_LOCK)
    assert kills >= 20
    assert wayra_database.counted.distinct("n") == [0]
