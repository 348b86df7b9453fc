from __future__ import annotations

import ast
import itertools

import pytest

from wayra_db.atomicity import BLOCKING_COMMANDS, BLOCKING_METHODS, blockers, decide, goes_in_batches, is_plain


def found(source: str, *, skip: str = "") -> list[str]:
    """The blockers in a source text, which is never taken for plain when it has some."""
    tree = ast.parse(source)
    seen = list(blockers(tree, skip=skip))
    assert not (is_plain(source) and (seen or goes_in_batches(tree)))
    return seen


@pytest.mark.parametrize(
    ("flag", "seen", "transactions", "atomic", "reason"),
    [
        (None, [], True, True, ""),
        (True, [], True, True, ""),
        (True, ["drop (line 1)"], True, True, ""),
        (None, ["drop (line 1)", "rename (line 2)"], True, False, "drop (line 1), rename (line 2) cannot join"),
        (False, [], True, False, "transactional = False"),
        (False, ["drop (line 1)"], True, False, "transactional = False"),
        (True, [], False, False, "standalone"),
        (None, [], False, False, "standalone"),
        (False, [], False, False, "standalone"),
    ],
)
def test_decide(flag: bool | None, seen: list[str], transactions: bool, atomic: bool, reason: str) -> None:
    """The file's own word wins over what was seen in it, and the deployment's limits over both."""
    decided, why = decide(flag, seen, transactions=transactions)
    assert decided is atomic
    assert reason in why


def test_a_unit_is_atomic_or_says_why_not() -> None:
    """There is a reason exactly when there is no transaction."""
    for flag, seen, transactions in itertools.product([None, True, False], [[], ["x"]], [True, False]):
        atomic, reason = decide(flag, seen, transactions=transactions)
        assert atomic is (reason == "")


@pytest.mark.parametrize("method", sorted(BLOCKING_METHODS))
def test_every_blocking_method(method: str) -> None:
    """Called on a collection or the database, in a plain or an async function, at any depth."""
    assert found(f"def up(db):\n    for x in y:\n        db.users.{method}()\n") == [f"{method} (line 3)"]
    assert found(f"async def up(db):\n    await db['users'].{method}(1)\n") == [f"{method} (line 2)"]


@pytest.mark.parametrize("command", sorted(BLOCKING_COMMANDS))
def test_every_blocking_command(command: str) -> None:
    """By name or as a document."""
    assert found(f"def up(db):\n    db.command('{command}', 'users')\n") == [f"{command} (line 2)"]
    assert found(f"def up(db):\n    db.command({{'{command}': 'users', 'x': 1}})\n") == [f"{command} (line 2)"]


@pytest.mark.parametrize(
    "call",
    [
        "db.users.update_many({}, {'$set': {'role': 'user'}})",
        "db.users.insert_one({'name': '$out'})",
        "db.users.aggregate([{'$match': {}}, {'$group': {'_id': None}}])",
        "db.users.count_documents({})",
        "db.command('ping')",
        "db.command({'find': 'users'})",
        "db.command(name)",
        "db.command({**options})",
        "db.command({})",
        "db.command()",
        "drop()",
        "db.users.drop",
    ],
)
def test_what_may_join_a_transaction(call: str) -> None:
    """Ordinary reads and writes, and what only looks like a blocker."""
    assert found(f"def up(db):\n    {call}\n") == []


@pytest.mark.parametrize("stage", ["$out", "$merge"])
def test_writing_stages(stage: str) -> None:
    """A pipeline that writes a collection, written in place or kept in a variable."""
    assert found(f"PIPELINE = [{{'{stage}': 'copy'}}]\n") == [f"{stage} (line 1)"]


def test_the_other_direction_does_not_count_but_helpers_do() -> None:
    """`down` may drop what `up` makes; a helper may be called by either."""
    source = """
def helper(db):
    db.users.create_index("email")

def up(db):
    db.users.update_many({}, {})

def down(db):
    db.users.drop()
"""
    assert found(source, skip="down") == ["create_index (line 3)"]
    assert found(source, skip="up") == ["create_index (line 3)", "drop (line 9)"]


@pytest.mark.parametrize(
    "call",
    [
        "db.users.drop()",
        "db.users .  drop()",
        "db.users. # the old ones\n        # all of them\n        drop()",
        "db.users.\\\n        drop()",
        "db.command('drop', 'users')",
        "db.users.aggregate([{'\\x24out': 'copy'}])",
        "db.users.aggregate([{'$merge': 'copy'}])",
        "db.users.\uff44rop()",
        "ctx.batches('users')",
    ],
)
def test_nothing_that_matters_is_taken_for_plain(call: str) -> None:
    """Whatever way the name is written, the tree is walked."""
    source = f"def up(db, ctx):\n    (\n        {call}\n    )\n"
    tree = ast.parse(source)
    assert list(blockers(tree)) or goes_in_batches(tree)
    assert not is_plain(source)


@pytest.mark.parametrize("call", ["db.users.update_many({}, {'$set': {'drop': 'out'}})", "db.users.find({'a': 1})"])
def test_plain(call: str) -> None:
    """What has no such call is not walked, unless it looks like one."""
    assert is_plain(f"def up(db):\n    {call}\n")
