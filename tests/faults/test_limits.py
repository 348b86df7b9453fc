"""What the server lets no transaction do: live too long, or go on after a refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.errors import MigrationFailedError
from wayra_db.testing import ServerUnderTest

Documents = Database[dict[str, Any]]


@pytest.fixture
def short_lives(wayra_server: ServerUnderTest) -> Iterator[None]:
    """A server on which a transaction lives for a second."""
    name = "transactionLifetimeLimitSeconds"
    with wayra_server.client() as client:
        usual = client.admin.command({"getParameter": 1, name: 1})[name]
        client.admin.command({"setParameter": 1, name: 1})
        yield
        client.admin.command({"setParameter": 1, name: usual})


def batched(body: str, *, is_async: bool) -> str:
    """A migration whose loop over batches has this body."""
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    define, loop = ("async def", "async for") if is_async else ("def", "for")
    head = f"import asyncio, time\n\n\n{define} up(db, ctx):\n    {loop} batch in ctx.batches('things', size=2):\n"
    return f"{head}        batch.filter\n{lines}"


SLOW = "{wait}db.others.insert_one({{}})\n{sleep}(2.5)\n{wait}db.others.insert_one({{}})"
SLOW_WITHOUT_A_LAST_COMMAND = "{wait}db.others.insert_one({{}})\n{sleep}(2.5)"
SWALLOWS_DUPLICATE = (
    "{wait}db.others.insert_one({{}})\ntry:\n    {wait}db.things.insert_one({{'_id': 1}})\nexcept Exception:\n    pass"
)
SWALLOWS_REFUSAL = (
    "{wait}db.others.insert_one({{}})\ntry:\n    {wait}getattr(db.things, 'create_' + 'index')('n')\n"
    "except Exception:\n    pass"
)
GOES_ON_AFTER_IT = SWALLOWS_DUPLICATE + "\n{wait}db.others.insert_one({{}})"


def body_of(text: str, *, is_async: bool) -> str:
    """The body for one of the two drivers."""
    return text.format(wait="await " if is_async else "", sleep="await asyncio.sleep" if is_async else "time.sleep")


@pytest.mark.parametrize(
    ("text", "in_batches", "is_async"),
    [
        (SLOW, False, False),
        (SLOW, True, True),
        (SLOW_WITHOUT_A_LAST_COMMAND, False, True),
        (SLOW_WITHOUT_A_LAST_COMMAND, True, False),
    ],
    ids=["goes on-atomic-sync", "goes on-batched-async", "returns-atomic-async", "returns-batched-sync"],
)
@pytest.mark.usefixtures("short_lives")
def test_what_outlives_its_transaction_is_told_so_the_first_time(
    sandbox: Sandbox, wayra_database: Documents, text: str, in_batches: bool, is_async: bool
) -> None:
    """One try, and not two minutes of them; the limit is named, and what to do about it; nothing was kept."""
    wayra_database.things.insert_many([{"_id": number} for number in range(4)])
    body = f"ctx.log.debug('try')\n{body_of(text, is_async=is_async)}"
    if in_batches:
        sandbox.write("migrations/0001_step.py", batched(body, is_async=is_async))
    else:
        text = (
            f"import asyncio, time\nwith open({str(sandbox.folder / 'tries')!r}, 'a') as tries:\n    tries.write('x')\n"
        )
        sandbox.migration(1, text + body.replace("ctx.log.debug('try')", ""), is_async=is_async)
    with sandbox.open(adopt=True) as project, pytest.raises(MigrationFailedError) as caught:
        project.migrations.up()
    assert "longer than the 1 s that the server lets a transaction live" in caught.value.message
    assert "ctx.batches" in caught.value.hint
    assert wayra_database.others.count_documents({}) == 0
    if not in_batches:
        assert (sandbox.folder / "tries").read_text() == "x"


def test_one_long_command_is_told_so_as_well(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The server interrupts a command that is running with another code (290), and no label."""
    sandbox.migration(
        1,
        "raise OperationFailure('too long', 290, {})",
        head="from pymongo.errors import OperationFailure",
    )
    with sandbox.open() as project, pytest.raises(MigrationFailedError, match="lets a transaction live") as caught:
        project.migrations.up()
    assert "ctx.batches" in caught.value.hint


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("in_batches", [False, True], ids=["atomic", "batched"])
@pytest.mark.parametrize(
    ("text", "named"),
    [
        (SWALLOWS_DUPLICATE, "`insert` (code 11000)"),
        (SWALLOWS_REFUSAL, "`createIndexes` (code 263)"),
        (GOES_ON_AFTER_IT, "`insert` (code 11000)"),
    ],
    ids=["duplicate key", "refused operation", "goes on after it"],
)
def test_a_swallowed_refusal_is_named_the_first_time(
    sandbox: Sandbox, wayra_database: Documents, text: str, named: str, in_batches: bool, is_async: bool
) -> None:
    """The driver calls what the server has given up "transient": no second try, and the command is named."""
    wayra_database.things.insert_many([{"_id": number} for number in range(4)])
    body = body_of(text, is_async=is_async)
    path = sandbox.folder / "tries"
    count = f"with open({str(path)!r}, 'a') as tries:\n    tries.write('x')\n"
    if in_batches:
        sandbox.write("migrations/0001_step.py", batched(count + body, is_async=is_async))
    else:
        sandbox.migration(1, count + body, head="transactional = True", is_async=is_async)
    with sandbox.open(adopt=True) as project, pytest.raises(MigrationFailedError, match="was swallowed") as caught:
        project.migrations.up()
    assert named in caught.value.message
    assert path.read_text() == "x"
    assert wayra_database.others.count_documents({}) == 0
    with sandbox.open() as project:
        (status,) = project.migrations.status()
        assert status.verdict == "failed"
        assert status.next == "wayra-db migrate"
