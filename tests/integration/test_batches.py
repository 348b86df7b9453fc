"""`ctx.batches` against the server: what it costs, what it refuses, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from pymongo import MongoClient
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.errors import InterruptedMigrationError, MigrationError, MigrationFailedError
from wayra_db.testing import CommandCounter, TemporaryServer

Documents = Database[dict[str, Any]]

BATCHES = "for batch in ctx.batches('things', size=2):\n    batch.update_many({'$inc': {'n': 1}})"


def write(sandbox: Sandbox, body: str, *, head: str = "", define: str = "def") -> None:
    """A migration that takes the context."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    sandbox.write("migrations/0001_step.py", f"{head}\n\n{define} up(db, ctx):\n{lines}")


def things(database: Documents, count: int) -> None:
    """So many documents."""
    database.things.insert_many([{"_id": number, "n": 0} for number in range(count)])


def test_round_trips_of_a_batch(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Four: the find, the user's own update, the checkpoint, the commit. Nothing else grows with their number."""
    counter = CommandCounter()
    client: MongoClient[dict[str, Any]] = MongoClient(sandbox.uri, event_listeners=[counter])
    write(sandbox, BATCHES)
    counts = []
    with client, sandbox.open(client=client) as project:
        project.migrations.up()  # nothing is there to go over
        for number in (3, 23):
            wayra_database.things.delete_many({})
            things(wayra_database, 2 * number)
            project.migrations.repair(1, "pending")
            counter.clear()
            project.migrations.up()
            counts.append([name for name in counter.names if name not in ("replSetGetStatus", "serverStatus")])
    assert len(counts[1]) - len(counts[0]) == 4 * 20
    assert wayra_database.things.distinct("n") == [1]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("for batch in ctx.batches('things', size=0):\n    pass", "a size from 1 to 100,000"),
        ("ctx.batches('things', size='3')", "a size from 1 to 100,000, not '3'"),
        ("ctx.batches('things', size=True)", "a size from 1 to 100,000, not True"),
        ("ctx.batches('things', size=2.0)", "a size from 1 to 100,000, not 2.0"),
        ("ctx.batches('things', key=['a', 'b'])", "takes one field as its key"),
        ("ctx.batches('things', [])", "takes a filter as a dictionary, not list"),
        ("ctx.batches(db.things)", "takes the name of a collection, not Collection"),
        ("for batch in ctx.batches('things', key='n'):\n    pass", "need an index"),
        ("for batch in ctx.batches('things', size=2):\n    break", "was left before its end"),
        ("ctx.batches('things')", "was left before its end"),
        ("for a in ctx.batches('things'):\n    for b in ctx.batches('x'):\n        pass", "before that of another"),
        ("for a, b in zip(ctx.batches('things'), ctx.batches('x')):\n    pass", "before that of another"),
        ("async def no():\n    async for batch in ctx.batches('things'):\n        pass\n"
         "import asyncio\nasyncio.run(no())", "write `for batch in ctx.batches"),
    ],
)  # fmt: skip
def test_what_batches_cannot_do_is_an_error(sandbox: Sandbox, wayra_database: Documents, body: str, said: str) -> None:
    """Each with a word about it, and nothing of the batch kept."""
    things(wayra_database, 5)
    write(sandbox, body)
    with sandbox.open(adopt=True) as project, pytest.raises(MigrationFailedError, match=said):
        project.migrations.up()


def test_an_async_migration_must_use_async_for(sandbox: Sandbox, wayra_database: Documents) -> None:
    """A plain `for` in an `async def` is told what to write."""
    things(wayra_database, 5)
    write(sandbox, BATCHES, define="async def")
    with sandbox.open(adopt=True) as project, pytest.raises(MigrationFailedError, match="write `async for"):
        project.migrations.up()


def test_a_collection_that_is_not_there_has_no_batches(sandbox: Sandbox, wayra_database: Documents) -> None:
    """By `_id` and by another key."""
    write(sandbox, BATCHES + "\nfor batch in ctx.batches('others', key='k'):\n    raise ValueError")
    with sandbox.open() as project:
        assert project.migrations.up().versions == (1,)


def test_without_a_transaction_for_each_batch_there_are_none(sandbox: Sandbox) -> None:
    """Where the word `batches` cannot be seen, the migration is one transaction, and says why that does not go."""
    write(sandbox, "for batch in getattr(ctx, 'bat' + 'ches')('things'):\n    pass")
    with sandbox.open() as project, pytest.raises(MigrationFailedError, match="cannot run inside one transaction"):
        project.migrations.up()


def test_editing_a_failed_migration_keeps_what_is_done(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The checkpoint belongs to the version and its walk, not to the text of the file."""
    things(wayra_database, 6)
    write(sandbox, BATCHES + "\n    if batch.number == 2:\n        raise ValueError('no')")
    with sandbox.open(adopt=True) as project:
        with pytest.raises(MigrationFailedError, match="ValueError: no") as caught:
            project.migrations.up()
        assert "The batches before it stay" in caught.value.hint
        (status,) = project.migrations.status()
        assert "2 of about 6 documents of things are done in 1 batch" in status.detail
        assert status.next == "wayra-db migrate"
        write(sandbox, BATCHES.replace("size=2", "size=3"))
        project.migrations.up()
    assert wayra_database.things.distinct("n") == [1]


@pytest.mark.parametrize("new", ["'things', {'n': 0}", "'others'"])
def test_another_walk_never_goes_on_from_a_checkpoint(sandbox: Sandbox, wayra_database: Documents, new: str) -> None:
    """With another filter or collection, how far the old one was says nothing: refused, with both ways on."""
    things(wayra_database, 6)
    write(sandbox, BATCHES + "\n    if batch.number == 2:\n        raise ValueError('no')")
    with sandbox.open(adopt=True) as project:
        with pytest.raises(MigrationFailedError):
            project.migrations.up()
        write(sandbox, BATCHES.replace("'things'", new))
        with pytest.raises(MigrationFailedError, match="with another filter or key") as caught:
            project.migrations.up()
        assert "migrate repair --version 1 --as pending" in caught.value.hint
        project.migrations.repair(1, "pending")
        project.migrations.up()


def test_a_checkpoint_at_a_date_that_python_does_not_know(sandbox: Sandbox, wayra_database: Documents) -> None:
    """`status` and the next run read it all the same."""
    wayra_database.things.insert_many([{"_id": DatetimeMS(2**60 + number), "n": 0} for number in range(4)])
    write(sandbox, BATCHES + "\n    if batch.number == 2:\n        raise ValueError('no')")
    with sandbox.open(adopt=True) as project:
        with pytest.raises(MigrationFailedError):
            project.migrations.up()
        assert "2 of about 4 documents" in project.migrations.status()[0].detail
        write(sandbox, BATCHES)
        project.migrations.up()
    assert wayra_database.things.distinct("n") == [1]


def test_a_manual_one_is_left_to_a_person(sandbox: Sandbox, wayra_database: Documents) -> None:
    """`retry = "manual"`: nothing goes on by itself, and no message promises that."""
    things(wayra_database, 6)
    write(sandbox, BATCHES + "\n    if batch.number == 2:\n        raise ValueError('no')", head='retry = "manual"')
    with sandbox.open(adopt=True) as project:
        with pytest.raises(MigrationFailedError) as caught:
            project.migrations.up()
        assert "goes on" not in caught.value.hint
        with pytest.raises(InterruptedMigrationError):
            project.migrations.up()


@pytest.mark.parametrize("head", ["", 'retry = "safe"'])
def test_a_standalone_names_the_batch_that_is_in_doubt(
    tmp_path: Path, wayra_standalone: TemporaryServer, head: str
) -> None:
    """Killed within a batch it may or may not be done: left to a person, unless the file says it may."""
    with wayra_standalone.client() as client:
        client.drop_database("doubt")
        sandbox = Sandbox(tmp_path, wayra_standalone.uri, "doubt")
        things(client["doubt"], 6)
        write(sandbox, BATCHES + "\n    if batch.number == 2:\n        import os\n        os._exit(9)", head=head)
        assert sandbox.run("migrate", "--lock-timeout", "5", prelude="").returncode == 14
        with sandbox.open(adopt=True) as project:
            project.migrations.plan()
            project.migrations.baseline(1)
            project.migrations.repair(1, "pending")
        assert sandbox.run("migrate").returncode == 9
        write(sandbox, BATCHES, head=head)
        with sandbox.open() as project:
            (status,) = project.migrations.status()
            assert status.verdict == "interrupted"
            assert (
                "2 of about 6 documents of things are done in 1 batch, and batch 2 may or may not be" in status.detail
            )
            if not head:
                assert "migrate repair --version 1" in status.next
                with pytest.raises(MigrationError, match="may or may not be done"):
                    project.migrations.up()
                assert client["doubt"].things.count_documents({"n": 0}) == 2
            else:
                assert status.next == "wayra-db migrate"
                project.migrations.up()
                counts = sorted(one["n"] for one in client["doubt"].things.find())
                assert counts == [1, 1, 1, 1, 2, 2], "batch 2 is done again, and no other"


def test_a_batch_is_found_without_reading_those_before_it(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The server looks at as many keys for the last batch as for the first."""
    wayra_database.counted.insert_many([{"_id": number} for number in range(2000)])
    sandbox.write(
        "migrations/0001_step.py",
        "def up(db, ctx):\n    for batch in ctx.batches('counted', size=100):\n"
        "        batch.update_many({'$inc': {'n': 1}})\n",
    )
    wayra_database.command("profile", 2)
    try:
        with sandbox.open(adopt=True) as project:
            project.migrations.up()
    finally:
        wayra_database.command("profile", 0)
    found = wayra_database["system.profile"].find(
        {"op": "query", "ns": f"{sandbox.database}.counted", "nreturned": 100}
    )
    examined = [one["keysExamined"] for one in found]
    assert len(examined) == 20
    assert max(examined) <= 101


@pytest.mark.parametrize(
    "body", ["for batch in list(loop): use(batch)", "for _ in loop: pass", "first = next(iter(loop))"]
)
def test_batches_that_are_gathered_before_they_are_used(sandbox: Sandbox, wayra_database: Documents, body: str) -> None:
    """They would be recorded as done before anything is written: refused, and nothing is recorded."""
    wayra_database.counted.insert_many([{"_id": number, "n": 0} for number in range(10)])
    sandbox.write(
        "migrations/0001_step.py",
        "def up(db, ctx):\n    use = lambda batch: batch.update_many({'$inc': {'n': 1}})\n"
        f"    loop = ctx.batches('counted', size=3)\n    {body}\n",
    )
    with sandbox.open(adopt=True) as project, pytest.raises(MigrationFailedError):
        project.migrations.up()
    assert wayra_database.counted.distinct("n") == [0]
    assert wayra_database["_wayra_checkpoints"].distinct("batches") == [0]


def test_batches_are_gone_over_once(sandbox: Sandbox, wayra_database: Documents) -> None:
    """A second loop over the same would do nothing, and be taken for done."""
    wayra_database.counted.insert_many([{"_id": number, "n": 0} for number in range(4)])
    sandbox.write(
        "migrations/0001_step.py",
        "def up(db, ctx):\n    loop = ctx.batches('counted', size=3)\n    for _ in range(2):\n"
        "        for batch in loop:\n            batch.update_many({'$inc': {'n': 1}})\n",
    )
    with sandbox.open(adopt=True) as project, pytest.raises(MigrationFailedError, match="twice"):
        project.migrations.up()
