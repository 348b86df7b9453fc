"""`kill -9` at every command that `seed` and `seed clear` send, then again: the end state of a quiet run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database

from tests.faults.nursery import Nursery
from tests.faults.test_kill_init import forget, lock_is_free
from tests.support import Sandbox

Documents = Database[dict[str, Any]]

TAKING_THE_LOCK = 10

ENDS = "environments = ['development']\n"


def python(body: str, *, head: str = "", is_async: bool = False) -> str:
    """The text of a seed."""
    define = "async def" if is_async else "def"
    return f"{ENDS}{head}\n\n{define} seed(db, ctx):\n    {body}\n"


def seeds(sandbox: Sandbox, word: str, *, with_async: bool = True) -> None:
    """Seeds of each kind: plain, asynchronous, a data file, and two without a transaction. `word` is in their data."""
    documents = "[{'email': f'NAME{n}', 'name': 'WORD'} for n in range(3)]".replace("WORD", word)
    for name, head, is_async in (
        ("0001_atomic", "", False),
        ("0002_async", "", True),
        ("0004_stepwise", "transactional = False", False),
        ("0005_steps_async", "transactional = False", True),
    ):
        if is_async and not with_async:
            continue
        wait = "await " if is_async else ""
        body = f"{wait}ctx.upsert('users', {documents.replace('NAME', name[:4])}, key='email')"
        if not is_async:
            body += "\n    ctx.upsert('trips', [{'owner': ctx.ref('users', email='00010'), 'by': ctx.name}], key='by')"
        sandbox.write(f"scripts/seeds/{name}.py", python(body, head=head, is_async=is_async))
    sandbox.write("scripts/seeds/0003_data.csv", f"email,name\nc0,{word}\nc1,{word}\n")
    sandbox.write("scripts/seeds/0003_data.toml", ENDS + "collection = 'users'\nkey = 'email'\n")


def state(database: Documents) -> dict[str, Any]:
    """What seeds are for, ids included; what is noted of it; which have run; a log without gaps."""
    log = database["_wayra_log"].distinct("_id")
    return {
        **{name: list(database[name].find(sort=[("_id", 1)])) for name in ("users", "trips")},
        "noted": list(database["_wayra_seeded"].find(sort=[("_id", 1)])),
        "runs": [(one["_id"], one["done"]) for one in database["_wayra_seeds"].find(sort=[("_id", 1)])],
        "log without gaps": log == list(range(1, len(log) + 1)),
    }


def kill_at_every_command(
    sandbox: Sandbox, database: Documents, nursery: Nursery, command: tuple[str, ...], prepare: Callable[[], None]
) -> int:
    """Kill `command` behind its first command after it has taken the lock, its second, ...; run it again each time,
    and compare. How many kills.
    """
    prepare()
    quiet = nursery.run(sandbox, *command)
    assert quiet.code == 0, quiet.said
    expected = state(database)
    assert expected["log without gaps"]
    for number in itertools.count(TAKING_THE_LOCK):
        forget(database.client, database.name)
        prepare()
        killed = nursery.run(sandbox, *command, kill=("after", number))
        if killed.code == 0:
            return number - TAKING_THE_LOCK
        assert killed.code == -9, killed.said
        again = nursery.run(sandbox, *command)
        assert again.code == 0, again.said
        assert state(database) == expected, f"killed after command {number}"
        assert lock_is_free(database)
    raise AssertionError("unreachable")


@pytest.fixture
def edited(sandbox: Sandbox, wayra_database: Documents, nursery: Nursery) -> Callable[[], None]:
    """A database that was seeded, where a person has then edited documents, and seeds that have changed since."""

    def prepare() -> None:
        seeds(sandbox, "first", with_async=False)
        ended = nursery.run(sandbox, "seed")
        assert ended.code == 0, ended.said
        emails = ["00010", "c1", "00042"]
        wayra_database.users.update_many({"email": {"$in": emails}}, {"$set": {"name": "edited"}})
        wayra_database.users.delete_one({"email": "00041"})
        seeds(sandbox, "second", with_async=False)

    return prepare


def test_a_first_run_is_completed(sandbox: Sandbox, wayra_database: Documents, nursery: Nursery) -> None:
    """On an empty database: the same documents, with the same ids, each noted."""
    seeds(sandbox, "first")
    assert kill_at_every_command(sandbox, wayra_database, nursery, ("seed",), lambda: None) >= 30


def test_a_run_over_edits_keeps_them(
    sandbox: Sandbox, wayra_database: Documents, nursery: Nursery, edited: Callable[[], None]
) -> None:
    """No kill makes an edit look like the seed's, or the seed's like an edit."""
    assert kill_at_every_command(sandbox, wayra_database, nursery, ("seed", "--again"), edited) >= 15
    names = {one["email"]: one["name"] for one in wayra_database.users.find()}
    assert names["00010"] == names["c1"] == names["00042"] == "edited"
    assert names["00011"] == names["c0"] == names["00041"] == "second"


def test_a_clearing_is_finished(
    sandbox: Sandbox, wayra_database: Documents, nursery: Nursery, edited: Callable[[], None]
) -> None:
    """Nothing of the seeds is left, and nothing that says that they have run."""
    assert kill_at_every_command(sandbox, wayra_database, nursery, ("seed", "clear", "--yes"), edited) >= 10
    assert wayra_database.users.count_documents({}) == 0
