from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.unit.migrations.lint.support import ids, lint, lint_up, only
from wayra_db.migrations.lint import DeclaredFields, Severity

SET = '{"$set": {"role": "user"}}'

# Each: a body of `up`, and the rules that are found in it, in the order of lines. Beside each is what it is about.
BODIES = {
    # --- the same collection by many names
    "attribute": ("db.users.update_many({}, X)", ["MG101"]),
    "item": ('db["users"].update_many({}, X)', ["MG101"]),
    "method": ('db.get_collection("users").update_many({}, X)', ["MG101"]),
    "getattr": ('getattr(db, "users").update_many({}, X)', ["MG101"]),
    "variable": ("users = db.users\nusers.update_many({}, X)", ["MG101"]),
    "walrus": ("(users := db.users).update_many({}, X)", ["MG101"]),
    "unpacked": ("users, trips = db.users, db.trips\nusers.update_many({}, X)", ["MG101"]),
    "bound method": ("update = db.users.update_many\nupdate({}, X)", ["MG101"]),
    "options": ("db.users.with_options(write_concern=None).update_many({}, X)", ["MG101"]),
    "another database": ('db.client["other"].users.update_many({}, X)', ["MG101"]),
    "sub-collection": ("db.users.archive.update_many({}, X)", ["MG101"]),
    "loop over collections": ("for one in (db.users, db.trips):\n    one.update_many({}, X)", ["MG101"]),
    "loop over names": ('for name in ("users", "trips"):\n    db[name].update_many({}, X)', ["MG101"]),
    "nested function": ("def fix(users):\n    users.update_many({}, X)\nfix(db.users)", ["MG101"]),
    "closure": ("def fix():\n    db.users.update_many({}, X)\nfix()", ["MG101"]),
    "function handed on": ("def fix(one):\n    db.users.update_many({}, X)\nlist(map(fix, [1, 2]))", ["MG101"]),
    "lambda": ("fix = lambda: db.users.update_many({}, X)\nfix()", ["MG101"]),
    "match": ("match 1:\n    case 1:\n        db.users.update_many({}, X)", ["MG101"]),
    "with": ("with open('x') as file:\n    db.users.update_many({}, X)", ["MG101"]),
    "somebody else's method": ("import shop\nshop.client().update_many({}, X)", []),
    # --- empty filters
    "filter in a variable": ("everything = {}\ndb.users.update_many(everything, X)", ["MG101"]),
    "filter by keyword": ("db.users.update_many(update=X, filter={})", ["MG101"]),
    "filter dict()": ("db.users.update_many(dict(), X)", ["MG101"]),
    "filter spread": ("everything = {}\ndb.users.update_many({**everything}, X)", ["MG101"]),
    "filter at the top": ("db.users.update_many(NOTHING, X)", ["MG101"]),
    "every _id": ('db.users.update_many({"_id": {"$exists": True}}, X)', ["MG101"]),
    "delete": ("db.users.delete_many({})", ["MG101"]),
    "filter selects": ('db.users.update_many({"role": {"$exists": False}}, X)', []),
    "filter computed": ("db.users.update_many(dict(shop()), X)", []),
    "filter added to": ('only = {}\nonly["role"] = None\ndb.users.update_many(only, X)', []),
    "filter updated": ("only = {}\nonly.update(role=None)\ndb.users.update_many(only, X)", []),
    "filter of one branch": ('only = {}\nif shop:\n    only = {"a": 1}\ndb.users.update_many(only, X)', []),
    "filter of a loop": (
        'only = {}\nwhile shop():\n    db.users.update_many(only, X)\n    only = {"_id": {"$gt": shop()}}',
        [],
    ),
    "one document": ("db.users.update_one({}, X)", []),
    "batches": ('for batch in ctx.batches("users", {}, size=10):\n    db.users.update_many(batch.filter, X)', []),
    "short batches": ('for batch in ctx.batches("users", {}, size=10):\n    batch.update_many(X)', []),
    "all within a batch": ('for batch in ctx.batches("users", {}, size=10):\n    db.log.update_many({}, X)', []),
    # --- find
    "list": ("found = list(db.users.find({'a': 1}))", ["MG102"]),
    "to_list": ("found = db.users.find().to_list()", ["MG102"]),
    "to_list of some": ("found = db.users.find().to_list(10)", []),
    "comprehension": ("names = [one['name'] for one in db.users.find()]", ["MG102"]),
    "sorted cursor in a variable": ("found = db.users.find().sort('a')\nlist(found)", ["MG102"]),
    "writing loop": ("for one in db.users.find():\n    db.users.update_one({'_id': one['_id']}, X)", ["MG102"]),
    "writing helper": ("for one in db.users.find():\n    change(db, one)", ["MG102"]),
    "enumerated": ("for n, one in enumerate(db.users.find()):\n    change(db, one)", ["MG102"]),
    "reading loop": ("for one in db.users.find():\n    ctx.log.info(one['name'])", []),
    "limit": ("list(db.users.find().limit(10))", []),
    "limit by keyword": ("list(db.users.find({}, limit=10))", []),
    "no limit": ("list(db.users.find({}, limit=0))", ["MG102"]),
    "one _id": ("list(db.users.find({'_id': 7}))", []),
    "some _ids": ("list(db.users.find({'_id': {'$in': [7, 8]}}))", []),
    "range of _ids": ("list(db.users.find({'_id': {'$gt': 7}}))", ["MG102"]),
    "find in a batch": ('for batch in ctx.batches("users", {}, size=9):\n    list(db.users.find(batch.filter))', []),
    "find of a batch": ('for batch in ctx.batches("users", {}, size=9):\n    list(batch.find())', []),
    # --- beside batches
    "before the batches": (
        'db.log.delete_many({"a": 1})\nfor batch in ctx.batches("users", {}, size=9):\n    batch.update_many(X)',
        ["MG103"],
    ),
    "after the batches": (
        'for batch in ctx.batches("users", {}, size=9):\n    batch.update_many(X)\ndb.log.insert_one({"a": 1})',
        ["MG301"],
    ),
    # --- collections and indexes
    "index and data": ('db.users.create_index("a")\ndb.users.update_one({"a": 1}, X)', ["MG201"]),
    "index and $merge": ('db.users.create_index("a")\ndb.users.aggregate([{"$merge": "b"}])', ["MG201"]),
    "index and a read": ('db.users.create_index("a")\ndb.users.find_one({})', []),
    "collection and data": ('db.create_collection("x")\ndb.x.insert_one({"a": 1})', []),
    "drop_indexes": ("db.users.drop_indexes()", ["MG202"]),
    "drop_indexes and another": ('db.users.create_index("b")\ndb.users.drop_indexes()', ["MG202"]),
    "drop and another": ('db.users.create_index("b")\ndb.users.drop_index("a_1")', ["MG202"]),
    "replace a named one": ('n = str("a_1")\ndb.users.drop_index(n)\ndb.users.create_index("b")', []),
    "drop a named one": ('n = str("a_1")\ndb.users.drop_index(n)\ndb.trips.create_index("b")', ["MG202"]),
    "dropIndexes": ('db.command("dropIndexes", "users", index="a_1")', ["MG202"]),
    "drop": ("db.users.drop()", ["MG203"]),
    "drop_collection": ("db.drop_collection(db.users)", ["MG203"]),
    "drop command": ('db.command("drop", "users")', ["MG203"]),
    "drop_database": ('db.client.drop_database("x")', ["MG203"]),
    "rename over": ('db.users.rename("people", dropTarget=True)', ["MG203"]),
    "rename": ('db.users.rename("people")', []),
    "drop of a helper": ('db.create_collection("x")\ndb.x.drop()', []),
    "drop of $out": ('db.users.aggregate([{"$out": "x"}])\ndb.x.drop()', ["MG201"]),
    "unique": ('db.users.create_index("a", unique=True)', ["MG204"]),
    "not unique": ('db.users.create_index("a", unique=False)', []),
    "unique models": ('db.users.create_indexes([IndexModel("a"), IndexModel("b", unique=True)])', ["MG204"]),
    "unique on what is new": ('db.create_collection("x").create_index("a", unique=True)', []),
    "unique looked at": (
        'list(db.users.aggregate([{"$group": {"_id": "$a"}}]))\ndb.users.create_index("a", unique=True)',
        [],
    ),
    "another looked at": (
        'list(db.trips.aggregate([{"$group": {"_id": "$a"}}]))\ndb.users.create_index("a", unique=True)',
        ["MG204"],
    ),
    "unique prepared": (
        'db.command("collMod", "users", index={"name": "a_1", "prepareUnique": True})\n'
        'db.command("collMod", "users", index={"name": "a_1", "unique": True})',
        [],
    ),
    "validator": ('db.command("collMod", "users", validator={"a": 1})', ["MG206"]),
    "validator as document": ('db.command({"collMod": "users", "validator": {"a": 1}})', ["MG206"]),
    "validator taken off": ('db.command("collMod", "users", validator={})', []),
    "validator moderate": ('db.command("collMod", "users", validator={"a": 1}, validationLevel="moderate")', []),
    "validator warns": ('db.command("collMod", "users", validator={"a": 1}, validationAction="warn")', []),
    "validator counted": (
        'bad = db.users.count_documents({"$nor": [V]})\ndb.command("collMod", "users", validator=V)',
        [],
    ),
    "validator that shuts": ('db.command("collMod", "users", validator={"$nor": [{}]})', []),
    "validator of nothing else": ('db.command("collMod", "users", validator={"$nor": [{"a": 1}]})', ["MG206"]),
    "another counted": (
        'bad = db.trips.count_documents({"$nor": [V]})\ndb.command("collMod", "users", validator=V)',
        ["MG206"],
    ),
    # --- transactions
    "inc in a transaction": ('db.users.update_many({"a": 1}, {"$inc": {"n": 1}})', []),
    "inc in a batch": ('for b in ctx.batches("users", {}, size=9):\n    b.update_many({"$inc": {"n": 1}})', []),
    "clock": ('from datetime import datetime\ndb.users.insert_one({"at": datetime.now()})', ["MG302"]),
    "clock as module": ('import datetime as dt\ndb.users.insert_one({"at": dt.datetime.utcnow()})', ["MG302"]),
    "clock in a variable": ('import time\nnow = time.time()\ndb.users.insert_one({"at": now})', ["MG302"]),
    "clock in a dictionary": ('import time\none = {}\none["at"] = time.time()\ndb.users.insert_one(one)', ["MG302"]),
    "clock in a list": ('import time\nall = []\nall.append({"a": time.time()})\ndb.users.insert_many(all)', ["MG302"]),
    "clock in a helper": ('import time\ndef now():\n    return time.time()\ndb.a.insert_one({"at": now()})', ["MG302"]),
    "clock in a filter": ('import time\ndb.a.delete_many({"at": {"$lt": time.time()}})', ["MG302"]),
    "clock that measures": ("import time\nbegan = time.time()\nctx.log.info(time.time() - began)", []),
    "uuid": ('from uuid import uuid4\ndb.users.insert_one({"key": str(uuid4())})', ["MG302"]),
    "uuid of a name": ('from uuid import NAMESPACE_URL, uuid5\ndb.a.insert_one({"k": uuid5(NAMESPACE_URL, "x")})', []),
    "new ObjectId": ('from bson import ObjectId\ndb.users.insert_one({"_id": ObjectId()})', ["MG302"]),
    "known ObjectId": ('from bson import ObjectId\ndb.users.insert_one({"_id": ObjectId("6" * 24)})', []),
    "random": ('import random\ndb.users.insert_one({"n": random.randint(1, 6)})', ["MG302"]),
    "seeded": ('import random\nrandom.seed(7)\ndb.users.insert_one({"n": random.randint(1, 6)})', []),
    "own seed": ('from random import Random\ndb.users.insert_one({"n": Random(7).randint(1, 6)})', []),
    "secrets": ('import secrets\ndb.users.insert_one({"n": secrets.token_hex()})', ["MG302"]),
    "server's clock": ('db.users.update_many({"a": 1}, [{"$set": {"at": "$$NOW"}}])', []),
    "bare except": ("try:\n    db.a.insert_one({})\nexcept:\n    pass", ["MG303"]),
    "broad among others": ("try:\n    db.a.insert_one({})\nexcept (KeyError, Exception):\n    pass", ["MG303"]),
    "driver's error": (
        "from pymongo.errors import DuplicateKeyError\n"
        "try:\n    db.a.insert_one({})\nexcept DuplicateKeyError:\n    pass",
        ["MG303"],
    ),
    "suppress": (
        "from contextlib import suppress\nwith suppress(Exception):\n    db.a.insert_one({})",
        ["MG303"],
    ),
    "raised again": ("try:\n    db.a.insert_one({})\nexcept Exception as e:\n    raise ValueError from e", []),
    "raised sometimes": ("try:\n    db.a.insert_one({})\nexcept Exception:\n    if shop:\n        raise", []),
    "another error": ("try:\n    db.a.insert_one({})\nexcept KeyError:\n    pass", []),
    "no database in it": ("try:\n    shop()\nexcept Exception:\n    pass", []),
    "in a helper": ("try:\n    change(db, {})\nexcept Exception:\n    pass", ["MG303"]),
    "swallowed in a batch": (
        'for b in ctx.batches("a", {}, size=9):\n    try:\n        b.update_many(X)\n    except:\n        pass',
        ["MG303"],
    ),
    "look beside a write": ('db.list_collection_names()\ndb.a.insert_one({"a": 1})', ["MG304", "MG301"]),
    "look alone": ("db.list_collection_names()", []),
    # --- out of the runner's hands
    "client": ("import pymongo\npymongo.MongoClient()", ["MG401"]),
    "session": ("with db.client.start_session() as session:\n    pass", ["MG401"]),
    "thread": ("import threading\nthreading.Thread(target=print).start()", ["MG402"]),
    "renamed": ("from threading import Thread as T\nT(target=print).start()", ["MG402"]),
    "pool": ("import concurrent.futures\nconcurrent.futures.ThreadPoolExecutor()", ["MG402"]),
    "asyncio.run": ("import asyncio\nasyncio.run(shop())", ["MG404"]),
}
HEAD = f"""
import shop
from pymongo import IndexModel

X = {SET}
V = {{"a": 1}}
NOTHING = {{}}


def change(db, one):
    db.users.update_one({{"_id": one["_id"]}}, X)
"""


@pytest.mark.parametrize(("body", "expected"), BODIES.values(), ids=BODIES.keys())
def test_bodies_of_up(tmp_path: Path, body: str, expected: list[str]) -> None:
    """A body of `up`, and what is found in it."""
    assert ids(lint_up(tmp_path, body, head=HEAD)) == expected


ASYNC = {
    "not awaited": ("db.users.insert_one({'a': 1})", ["MG403"]),
    "awaited": ("await db.users.insert_one({'a': 1})", []),
    "gathered": ("await asyncio.gather(db.a.insert_one({'a': 1}), *[db.b.insert_one({'a': n}) for n in (1, 2)])", []),
    "task": ("task = asyncio.create_task(db.a.insert_one({'a': 1}))\nawait task", []),
    "awaited later": ("writing = db.a.insert_one({'a': 1})\nawait writing", []),
    "never awaited later": ("writing = db.a.insert_one({'a': 1})", ["MG403"]),
    "result of a coroutine": ("n = db.a.update_one({'a': 1}, {'$set': {'b': 1}}).modified_count", ["MG403"]),
    "branch on a coroutine": ("if db.a.count_documents({}):\n    pass", ["MG403"]),
    "helper": ("helper(db)", ["MG403"]),
    "awaited helper": ("await helper(db)", []),
    "cursor": ("async for one in db.a.find({}):\n    pass", []),
    "cursor by for": ("for one in db.a.find({}):\n    pass", ["MG403"]),
    "cursor by list": ("list(db.a.find({}).limit(5))", ["MG403"]),
    "to_list": ("await db.a.find({}).limit(5).to_list()", []),
    "to_list not awaited": ("db.a.find({}).limit(5).to_list()", ["MG403"]),
    "async comprehension": ("names = [one async for one in db.a.find({}).limit(5)]", []),
    "batches": ("async for b in ctx.batches('a', {}, size=9):\n    await b.update_many({'$set': {'a': 1}})", []),
    "batches by for": (
        "for b in ctx.batches('a', {}, size=9):\n    await b.update_many({'$set': {'a': 1}})",
        ["MG403"],
    ),
    "batch not awaited": (
        "async for b in ctx.batches('a', {}, size=9):\n    b.update_many({'$set': {'a': 1}})",
        ["MG403"],
    ),
    "thread": ("await asyncio.to_thread(print)", ["MG402"]),
    "executor": ("await asyncio.get_running_loop().run_in_executor(None, print)", ["MG402"]),
}


@pytest.mark.parametrize(("body", "expected"), ASYNC.values(), ids=ASYNC.keys())
def test_bodies_of_async_up(tmp_path: Path, body: str, expected: list[str]) -> None:
    """As above, asynchronous."""
    head = "import asyncio\n\n\nasync def helper(db):\n    await db.a.insert_one({'a': 1})\n"
    assert ids(lint_up(tmp_path, body, head=head, define="async def up(db, ctx):")) == expected


REPEATED = {
    "inc": ('update_many({"a": 1}, {"$inc": {"n": 1}})', True),
    "mul": ('update_one({"a": 1}, {"$mul": {"n": 2}})', True),
    "push": ('find_one_and_update({"a": 1}, {"$push": {"tags": "x"}})', True),
    "add to set": ('update_many({"a": 1}, {"$addToSet": {"tags": "x"}})', False),
    "set": ('update_many({"a": 1}, {"$set": {"n": 1}})', False),
    "insert": ('insert_one({"a": 1})', True),
    "insert by id": ('insert_one({"_id": 1, "a": 1})', False),
    "insert unknown": ("insert_one(document)", False),
    "insert many": ('insert_many([{"_id": 1}, {"a": 1}])', True),
    "insert many by id": ('insert_many([{"_id": 1}, {"_id": 2}])', False),
    "request": ('bulk_write([UpdateOne({"a": 1}, {"$inc": {"n": 1}})])', True),
    "pipeline sum": ('update_many({"a": 1}, [{"$set": {"n": {"$add": ["$n", 1]}}}])', True),
    "pipeline of another": ('update_many({"a": 1}, [{"$set": {"n": {"$add": ["$m", 1]}}}])', False),
    "marked": ('update_many({"done": None}, {"$inc": {"n": 1}, "$set": {"done": True}})', False),
    "marked by a pipeline": (
        'update_many({"done": None}, [{"$set": {"n": {"$add": ["$n", 1]}, "done": True}}])',
        False,
    ),
    "exact": ('update_many({"n": 1}, {"$inc": {"n": 1}})', False),
    "absent": ('update_many({"n": {"$exists": False}}, {"$inc": {"n": 1}})', False),
    "range": ('update_many({"n": {"$gt": 1}}, {"$inc": {"n": 1}})', True),
    "replace": ('replace_one({"a": 1}, {"a": 2})', False),
}


@pytest.mark.parametrize(("call", "found"), REPEATED.values(), ids=REPEATED.keys())
@pytest.mark.parametrize("atomic", [True, False])
def test_what_may_not_be_repeated(tmp_path: Path, call: str, found: bool, atomic: bool) -> None:
    """Only outside a transaction, and only what a second run would do again."""
    head = "from pymongo import UpdateOne\n" + ("" if atomic else "transactional = False\n")
    report = lint_up(tmp_path, f"db.users.{call}", head=head)
    assert ids(report) == (["MG301"] if found and not atomic else [])
    if report.findings:
        assert "`transactional = False`" in report.findings[0].message


def test_the_reason_why_it_is_not_atomic(tmp_path: Path) -> None:
    """It is the planner's own, with the line."""
    report = lint_up(tmp_path, 'db.users.update_one({"a": 1}, {"$inc": {"n": 1}})\ndb.users.create_index("a")')
    assert [finding.rule.id for finding in report.findings] == ["MG301", "MG201"]
    assert "create_index (line 4) cannot join a transaction" in report.findings[0].message


HIDE = 'def up(db):\n    db.command("collMod", "users", index=INDEX)\n'
DROP = "def up(db):\n    db.users.drop_index(INDEX)\n"


@pytest.mark.parametrize(
    ("hidden", "dropped", "found"),
    [
        ('{"name": "a_1", "hidden": True}', '"a_1"', False),
        ('{"keyPattern": {"a": 1}, "hidden": True}', '"a_1"', False),
        ('{"keyPattern": {"a": 1, "b": -1}, "hidden": True}', '[("a", 1), ("b", DESCENDING)]', False),
        ('{"name": "a_1", "hidden": False}', '"a_1"', True),
        ('{"name": "b_1", "hidden": True}', '"a_1"', True),
    ],
)
def test_an_index_hidden_before(tmp_path: Path, hidden: str, dropped: str, found: bool) -> None:
    """Only the index that an earlier migration has hidden may be dropped."""
    files = {
        "0001_hide.py": HIDE.replace("INDEX", hidden) + "\n\ndef down(db): ...\n",
        "0002_drop.py": "from pymongo import DESCENDING\n\n" + DROP.replace("INDEX", dropped),
    }
    report = lint(tmp_path, files, select=["drop-index"])
    assert ids(report) == (["MG202"] if found else [])


def test_hidden_later_does_not_count(tmp_path: Path) -> None:
    """The order of versions decides."""
    files = {"0001_drop.py": DROP.replace("INDEX", '"a_1"'), "0002_hide.py": HIDE.replace("INDEX", '{"name": "a_1"}')}
    assert ids(lint(tmp_path, files, select=["drop-index"])) == ["MG202"]


@pytest.mark.parametrize(
    ("up", "found"),
    [
        ('db.command("collMod", "users", validator={})', []),
        ('db.create_collection("users")', []),
        ('db.command({"create": "users"})', []),
        ('db.command("collMod", "trips", validator={})', ["MG206"]),
        ('db.users.insert_one({"_id": 1})', ["MG206"]),
    ],
)
def test_down_may_give_the_former_validator_back(tmp_path: Path, up: str, found: list[str]) -> None:
    """Of a collection whose rules `up` has changed, and of no other."""
    text = f"def up(db):\n    {up}\n\ndef down(db):\n    db.command('collMod', 'users', validator={{'a': 1}})\n"
    assert ids(lint(tmp_path, text, select=["stricter-validator"])) == found


def test_down_may_undo_what_up_has_made(tmp_path: Path) -> None:
    """Its index and its collection, and nothing else."""
    text = """\
    def up(db):
        db.users.create_index("a")
        db.create_collection("x")


    def down(db):
        db.users.drop_index("a_1")
        db.x.drop()
        db.trips.drop_index("a_1")
        db.y.drop()
    """
    found = lint(tmp_path, text).findings
    assert [(finding.rule.id, finding.line) for finding in found] == [("MG202", 9), ("MG203", 10)]


DECLARED = {"users": DeclaredFields(indexed=frozenset({"email", "address.city"}), validated=frozenset({"name"}))}


@pytest.mark.parametrize(
    ("rename", "said"),
    [
        ('"email": "mail"', "an index on email"),
        ('"mail": "email"', "an index on email"),
        ('"address": "home"', "an index on address"),
        ('"address.city.name": "x"', "an index on address.city.name"),
        ('"name": "title"', "the validator's name"),
        ('"nickname": "nick"', None),
    ],
)
def test_a_renamed_field_that_is_declared(tmp_path: Path, rename: str, said: str | None) -> None:
    """Old or new name, the field itself, what is above it and below it."""
    body = f'db.users.update_many({{"a": 1}}, {{"$rename": {{{rename}}}}})'
    report = lint_up(tmp_path, body, declarations=DECLARED)
    if said is None:
        assert report.findings == ()
    else:
        found = only(report)
        assert (found.rule.id, found.severity) == ("MG205", Severity.ERROR)
        assert said in found.message


def test_a_renamed_field_while_nobody_knows(tmp_path: Path) -> None:
    """A warning."""
    found = only(lint_up(tmp_path, 'db.users.update_many({"a": 1}, {"$rename": {"a": "b"}})'))
    assert (found.rule.id, found.severity) == ("MG205", Severity.WARNING)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("transactional = False", None),
        ("transactionnal = False", "transactional"),
        ("Transactional = False", "transactional"),
        ("atomic = True", "transactional"),
        ('retries = "safe"', "retry"),
        ("retries = 3", None),
        ("TRANSACTIONS = {'a': 1}", None),
        ("def downgrade(db): ...", "down"),
        ("def Down(db): ...", "down"),
        ("def helper(db): ...", None),
    ],
)
def test_flags_with_a_slip(tmp_path: Path, line: str, meant: str | None) -> None:
    """What is nearly a flag and used by nothing."""
    report = lint(tmp_path, f"{line}\n\n\ndef up(db): ...\n", select=["unknown-flag"])
    assert ids(report) == (["MG503"] if meant else [])
    assert meant is None or f"`{meant}`" in only(report).message


def test_a_name_that_is_used_is_no_flag(tmp_path: Path) -> None:
    """Whatever it is called."""
    text = "atomic = False\n\n\ndef up(db):\n    db.a.insert_one({'atomic': atomic})\n"
    assert ids(lint(tmp_path, text, select=["MG503"])) == []


SAFE = {
    "db.users.update_many({}, {'$set': {'role': 'user'}})": """\
        def up(db, ctx):
            for batch in ctx.batches("users", {"role": {"$ne": "user"}}, size=1000):
                batch.update_many({'$set': {'role': 'user'}})""",
    'db["old users"].update_many({}, [{"$unset": "x"}])': """\
        def up(db, ctx):
            for batch in ctx.batches("old users", {}, size=1000):
                batch.update_many([{"$unset": "x"}])""",
    'db.users.update_many({}, {"$unset": {"role": ""}})': """\
        def up(db, ctx):
            for batch in ctx.batches("users", {"role": {"$exists": True}}, size=1000):
                batch.update_many({"$unset": {"role": ""}})""",
    "db.users.delete_many({})": """\
        def up(db, ctx):
            for batch in ctx.batches("users", {}, size=1000):
                batch.delete_many()""",
    'for user in db.users.find({"a": 1}, {"b": 1}):\n    change(db, user)': """\
        def up(db, ctx):
            for batch in ctx.batches("users", {"a": 1}, size=1000):
                for user in batch.find({"b": 1}):
                    ...""",
    'people = db.users\npeople.create_index([("a.b", 1), ("c", -1)], unique=True)': """\
        pipeline = [
            {"$group": {"_id": {"a_b": "$a.b", "c": "$c"}, "count": {"$sum": 1}}},
            {"$match": {"count": {"$gt": 1}}},
            {"$limit": 1},
        ]
        if list(db.users.aggregate(pipeline, allowDiskUse=True)):
            raise ValueError("users has duplicates of a.b, c; resolve them first")
        db.users.create_index([("a.b", 1), ("c", -1)], unique=True)

        # Or, while applications write: convert an ordinary index, which refuses new duplicates at once.
        # db.command("collMod", "users", index={"keyPattern": {"a.b": 1, "c": -1}, "prepareUnique": True})
        # db.command("collMod", "users", index={"keyPattern": {"a.b": 1, "c": -1}, "unique": True})""",
    "import time\ndb.a.update_many({'a': 1}, {'$set': {'at': time.time()}})": """\
        {"$currentDate": {"at": True}}  # beside the other operators of the update""",
}


@pytest.mark.parametrize(("body", "safe"), SAFE.items(), ids=range(len(SAFE)))
def test_the_safe_code_has_the_users_own_names(tmp_path: Path, body: str, safe: str) -> None:
    """Collection, fields, filter, update."""
    assert only(lint_up(tmp_path, body, head=HEAD)).safe == textwrap.dedent(safe)


def test_the_safe_code_keeps_parameters_and_async(tmp_path: Path) -> None:
    """Pasted over the function, it still fits."""
    text = f"async def up(database):\n    await database.users.update_many({{}}, {SET})\n"
    found = only(lint(tmp_path, text, select=["MG101"]))
    assert found.safe.splitlines() == [
        "async def up(database, ctx):",
        '    async for batch in ctx.batches("users", {"role": {"$ne": "user"}}, size=1000):',
        f"        await batch.update_many({SET})",
    ]


def test_a_down_is_made_from_up(tmp_path: Path) -> None:
    """What can be turned round is, newest first; the rest is named."""
    text = """\
    def up(db):
        db.create_collection("x")
        db.users.create_index([("a", 1)])
        db.x.insert_one({"_id": 7})
        db.users.update_many({"role": None}, {"$set": {"role": "user"}})
        db.users.rename("people")
        db.log.delete_many({"old": True})
    """
    assert only(lint(tmp_path, text, select=["missing-down"])).safe.splitlines() == [
        "def down(db):",
        "    ...  # undo delete_many (line 7)",
        '    db["people"].rename("users")',
        '    db.users.update_many({"role": {"$exists": True}}, {"$unset": {"role": ""}})',
        '    db.x.delete_one({"_id": 7})',
        '    db.users.drop_index("a_1")',
        '    db.drop_collection("x")',
    ]


def test_a_helper_is_judged_once_however_often_it_is_called(tmp_path: Path) -> None:
    """One line of code, one finding, also when up and down share it."""
    text = f"""\
    def fix(users):
        users.update_many({{}}, {SET})


    def up(db):
        fix(db.users)
        fix(db.users)


    def down(db):
        fix(db.users)
    """
    assert len(lint(tmp_path, text, select=["MG101"]).findings) == 2  # once for each direction: the safe code differs


def test_helpers_that_call_each_other_end(tmp_path: Path) -> None:
    """Recursion, and a chain that would be entered two to the power of thirty times."""
    chain = "".join(f"def f{n}(db):\n    f{n + 1}(db)\n    f{n + 1}(db)\n" for n in range(30))
    text = f"def again(db):\n    again(db)\n{chain}def f30(db):\n    db.a.find_one({{}})\n\n"
    text += "def up(db):\n    again(db)\n    f0(db)\n"
    assert ids(lint(tmp_path, text, ignore=["MG501"])) == []
