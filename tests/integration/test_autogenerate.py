from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bson import Regex
from pymongo import MongoClient, monitoring
from pymongo.database import Database

from tests.support import Sandbox, assert_tidy
from wayra_db import Project
from wayra_db.environment import Action
from wayra_db.errors import HistoryMismatchError, MigrationFailedError
from wayra_db.meta import is_user_collection
from wayra_db.migrations.loader import read_migration
from wayra_db.schema.diff import CHANGEABLE
from wayra_db.testing import TemporaryServer

Documents = Database[dict[str, Any]]
Prepare = Callable[[Documents], object]

SCHEMA = '{"$jsonSchema": {"bsonType": "object", "required": ["email"]}}'


def collection(*options: str, name: str = "users") -> str:
    """A declaration."""
    return f"c{abs(hash(name))} = Collection({', '.join([repr(name), *options])})\n"


def declare(sandbox: Sandbox, text: str) -> None:
    """Write the project's declarations."""
    head = "import re\nfrom datetime import UTC, datetime\nfrom bson import *\n"
    sandbox.write(
        "collections/all.py", f"{head}from pymongo import IndexModel\nfrom wayra_db import Collection\n{text}"
    )


def snapshot(database: Documents) -> dict[str, Any]:
    """Kind, options and indexes of everything that is not the tool's own.

    A validator that was set once leaves `strict` and `error` behind in the listing, which are the defaults: the server
    knows no way to take them away.
    """
    return {
        found["name"]: (
            found["type"],
            {**CHANGEABLE, **found.get("options", {})},
            []
            if found["type"] == "view"
            else sorted(database[found["name"]].list_indexes(), key=lambda one: one["name"]),
        )
        for found in database.list_collections()
        if is_user_collection(found["name"])
    }


def index(collection: str, *documents: dict[str, Any]) -> Prepare:
    """Build indexes as the server takes them."""
    return lambda database: database.command({"createIndexes": collection, "indexes": list(documents)})


def create(name: str, **options: Any) -> Prepare:
    """Create a collection."""
    return lambda database: database.command({"create": name, **options})


def both(*steps: Prepare) -> Prepare:
    """One after the other."""
    return lambda database: [step(database) for step in steps]


def nothing(database: Documents) -> None:
    """An empty database."""


CLUSTERED = {"key": {"_id": 1}, "unique": True}

# What is declared, and how the database was before.
PAIRS: dict[str, tuple[str, Prepare]] = {
    "create a plain one": (collection(), nothing),
    "create with a validator and indexes": (
        collection(
            f"validator={SCHEMA}", 'indexes=[IndexModel("email", unique=True), IndexModel([("a", 1), ("b", -1)])]'
        ),
        nothing,
    ),
    "create a lax one": (
        collection(f"validator={SCHEMA}", 'validation_level="moderate"', 'validation_action="warn"'),
        nothing,
    ),
    "create capped": (collection('capped={"size": 5000, "max": 10}'), nothing),
    "create with a collation": (
        collection('collation={"locale": "en", "strength": 2}', 'indexes=[IndexModel("email")]'),
        nothing,
    ),
    "create clustered": (
        collection('clustered_index={"key": {"_id": 1}, "unique": True}', "expire_after_seconds=60"),
        nothing,
    ),
    "create a time series": (
        collection('timeseries={"timeField": "at", "metaField": "m"}', "expire_after_seconds=3600"),
        nothing,
    ),
    "create with a shard key, on no cluster": (collection('shard_key={"owner": 1}'), nothing),
    "create with odd names": (
        collection(f"validator={SCHEMA}", name="fs.files") + collection(name="ж, it's 100%") + collection(name="2020"),
        create("legacy"),
    ),
    "a validator where there was none": (collection(f"validator={SCHEMA}"), create("users")),
    "no validator where there was one": (collection(), create("users", validator={"x": 1})),
    "another validator": (
        collection(f"validator={SCHEMA}"),
        create("users", validator={"x": {"$gt": 1}}, validationLevel="moderate", validationAction="warn"),
    ),
    "another level": (
        collection(f"validator={SCHEMA}", 'validation_level="off"'),
        create("users", validator={"$jsonSchema": {"bsonType": "object", "required": ["email"]}}),
    ),
    "values of every kind": (
        collection(
            """validator={
                "at": {"$gte": datetime(2026, 1, 1, tzinfo=UTC)},
                "n": {"$in": [Int64(5), Decimal128("1.50"), 1.5, -1, True, None, MinKey(), ObjectId("0" * 24)]},
                "r": re.compile("^é\\\\n'\\"", re.I),
                "b": {"$ne": Binary(b"\\x00'\\xff", 5)},
                "$or": [{"x": {"$exists": False}}, {"x": {"$type": ["string", "null"]}}],
            }"""
        ),
        create("users", validator={"r": Regex("^ä\"'", "ix"), "s": {"$ne": "ünï\n\u202e\"'"}}),
    ),
    "expiry of a time series": (
        collection('timeseries={"timeField": "at"}', "expire_after_seconds=60"),
        create("users", timeseries={"timeField": "at"}),
    ),
    "no expiry of a time series": (
        collection('timeseries={"timeField": "at"}'),
        create("users", timeseries={"timeField": "at"}, expireAfterSeconds=90),
    ),
    "expiry and validator of a clustered collection": (
        collection('clustered_index={"key": {"_id": 1}, "unique": True}', f"validator={SCHEMA}"),
        create("users", clusteredIndex=CLUSTERED, expireAfterSeconds=90),
    ),
    "missing indexes": (
        collection('indexes=[IndexModel("a"), IndexModel([("$**", 1)], name="all", wildcardProjection={"a": 1})]'),
        index("users", {"key": {"old": 1}, "name": "old_1"}),
    ),
    "a partial index": (
        collection('indexes=[IndexModel("a", partialFilterExpression={"at": {"$gt": datetime(2026, 1, 1)}})]'),
        create("users"),
    ),
    "unique, same name": (
        collection('indexes=[IndexModel("email", unique=True)]'),
        index("users", {"key": {"email": 1}, "name": "email_1"}),
    ),
    "not unique any more": (
        collection('indexes=[IndexModel("email")]'),
        index("users", {"key": {"email": 1}, "name": "email_1", "unique": True}),
    ),
    "unique, another name": (
        collection('indexes=[IndexModel("email", unique=True, name="mail")]'),
        index("users", {"key": {"email": 1}, "name": "email_1"}),
    ),
    "another key, same name": (
        collection('indexes=[IndexModel([("email", 1), ("at", -1)], name="mail")]'),
        index("users", {"key": {"email": 1}, "name": "mail", "sparse": True}),
    ),
    "another partial filter": (
        collection('indexes=[IndexModel("a", partialFilterExpression={"x": 1})]'),
        index("users", {"key": {"a": 1}, "name": "a_1", "partialFilterExpression": {"x": {"$gt": 5}}}),
    ),
    "another collation": (
        collection('indexes=[IndexModel("a", collation={"locale": "de"})]'),
        index("users", {"key": {"a": 1}, "name": "a_1", "collation": {"locale": "en", "strength": 1}}),
    ),
    "a simple collation where the collection has one": (
        collection('collation={"locale": "en"}', 'indexes=[IndexModel("a", unique=True)]'),
        both(
            create("users", collation={"locale": "en"}),
            index("users", {"key": {"a": 1}, "name": "a_1", "collation": {"locale": "simple"}}),
        ),
    ),
    "another text index": (
        collection('indexes=[IndexModel([("a", "text"), ("c", "text")], default_language="german")]'),
        index("users", {"key": {"a": "text", "b": "text"}, "name": "words", "weights": {"a": 5}}),
    ),
    "another language": (
        collection('indexes=[IndexModel([("a", "text")], default_language="german")]'),
        index("users", {"key": {"a": "text"}, "name": "a_text"}),
    ),
    "another precision": (
        collection('indexes=[IndexModel([("a", "2d")], bits=20)]'),
        index("users", {"key": {"a": "2d"}, "name": "a_2d"}),
    ),
    "longer life": (
        collection('indexes=[IndexModel("at", expireAfterSeconds=90)]'),
        index("users", {"key": {"at": 1}, "name": "at_1", "expireAfterSeconds": 60}),
    ),
    "a life where there was none": (
        collection('indexes=[IndexModel("at", expireAfterSeconds=90)]'),
        index("users", {"key": {"at": 1}, "name": "at_1"}),
    ),
    "no life where there was one": (
        collection('indexes=[IndexModel("at")]'),
        index("users", {"key": {"at": 1}, "name": "at_1", "expireAfterSeconds": 60}),
    ),
    "hidden": (
        collection('indexes=[IndexModel("a", hidden=True)]'),
        index("users", {"key": {"a": 1}, "name": "a_1"}),
    ),
    "hidden no more, under another name, and with another life": (
        collection('indexes=[IndexModel("a", expireAfterSeconds=5)]'),
        index("users", {"key": {"a": 1}, "name": "mine", "hidden": True, "expireAfterSeconds": 9}),
    ),
    "names that changed places": (
        collection('indexes=[IndexModel("a", name="one", unique=True), IndexModel("b", name="two", unique=True)]'),
        index("users", {"key": {"b": 1}, "name": "one"}, {"key": {"a": 1}, "name": "two"}),
    ),
    "much at once": (
        collection(
            f"validator={SCHEMA}",
            'indexes=[IndexModel("email", unique=True), IndexModel("seen", expireAfterSeconds=60), IndexModel("a")]',
        )
        + collection('indexes=[IndexModel("owner")]', name="trips"),
        both(
            create("users", validator={"x": 1}, validationAction="warn"),
            index(
                "users",
                {"key": {"email": 1}, "name": "email_1", "sparse": True},
                {"key": {"seen": 1}, "name": "seen_1", "expireAfterSeconds": 90},
                {"key": {"b": 1}, "name": "b_1"},
            ),
        ),
    ),
}


def allowed(sandbox: Sandbox) -> Project:
    """The project, with leave to roll back."""
    return sandbox.open(adopt=True, permitted=[Action.ROLLBACK])


@pytest.mark.parametrize(("declared", "before"), PAIRS.values(), ids=PAIRS)
def test_there_and_back(sandbox: Sandbox, wayra_database: Documents, declared: str, before: Prepare) -> None:
    """`up` makes the database as declared, `down` as it was, and both may run again from every state between."""
    before(wayra_database)
    was = snapshot(wayra_database)
    declare(sandbox, declared)
    with allowed(sandbox) as project:
        path = project.create_migration_from_declarations()
        assert path is not None
        migration = read_migration(path)
        assert migration.retry == "safe"
        assert migration.up.blockers
        assert_tidy(path.read_text(encoding="utf-8"))
        assert snapshot(wayra_database) == was, "writing the file changed the database"
        found = project.migrations.lint().findings
        assert found == (), [f"{one.rule.id} line {one.line}: {one.message}" for one in found]

        for _ in range(2):
            project.migrations.up()
            assert project.schema.plan().empty
            assert project.indexes.plan().empty
            after = snapshot(wayra_database)
            project.migrations.repair(migration.version, "pending")
            project.migrations.up()  # over its own work
            assert snapshot(wayra_database) == after
            project.migrations.rollback(steps=1)
            assert snapshot(wayra_database) == was
            project.migrations.repair(migration.version, "applied")
            project.migrations.rollback(steps=1)
            assert snapshot(wayra_database) == was

        for name in was:
            wayra_database.drop_collection(name)
        project.migrations.up()  # on an empty database
        assert project.schema.plan().empty


def test_nothing_to_do(sandbox: Sandbox, wayra_database: Documents) -> None:
    """As declared: no file. What nobody declares is no reason for one."""
    declare(sandbox, collection('indexes=[IndexModel("a")]'))
    index("users", {"key": {"a": 1}, "name": "a_1"}, {"key": {"b": 1}, "name": "b_1"})(wayra_database)
    wayra_database.create_collection("legacy")
    with sandbox.open() as project:
        assert project.create_migration_from_declarations() is None
        assert not (sandbox.folder / "migrations").exists()
        assert project.declared_changes().left_alone == ("collection legacy", "index users.b_1")


def test_pending_migrations_come_first(sandbox: Sandbox) -> None:
    """What they will do would be written down a second time."""
    declare(sandbox, collection())
    sandbox.migration(1, 'db.create_collection("users")')
    with sandbox.open() as project, pytest.raises(HistoryMismatchError, match=r"1 \(step, pending\)"):
        project.create_migration_from_declarations()


def test_a_stricter_validator_looks_first(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Documents that break it are counted while nothing is changed; once they are repaired, the same run goes on."""
    wayra_database.users.insert_many([{"email": "ada@example.com"}, {"name": "secret"}, {}])
    was = snapshot(wayra_database)
    declare(sandbox, collection(f"validator={SCHEMA}", 'indexes=[IndexModel("name")]') + collection(name="trips"))
    with allowed(sandbox) as project:
        project.create_migration_from_declarations()
        with pytest.raises(MigrationFailedError, match="2 documents of users do not match") as caught:
            project.migrations.up()
        assert "secret" not in str(caught.value)
        assert snapshot(wayra_database) == was
        wayra_database.users.delete_many({"email": {"$exists": False}})
        project.migrations.up()
        assert project.schema.plan().empty


@pytest.mark.parametrize("option", ['validation_level="moderate"', 'validation_action="warn"'])
def test_a_lax_validator_does_not_look(sandbox: Sandbox, wayra_database: Documents, option: str) -> None:
    """Documents that it lets be are not in its way."""
    wayra_database.users.insert_one({})
    declare(sandbox, collection(f"validator={SCHEMA}", option))
    with allowed(sandbox) as project:
        project.create_migration_from_declarations()
        project.migrations.up()
        assert project.schema.plan().empty


def test_a_created_collection_with_documents_stays(sandbox: Sandbox, wayra_database: Documents) -> None:
    """`down` refuses to drop it, before it undoes anything else, and goes on once it is empty."""
    declare(
        sandbox,
        collection('indexes=[IndexModel("a")]')
        + collection(name="trips")
        + collection(f"validator={SCHEMA}", name="x"),
    )
    wayra_database.create_collection("users")
    was = snapshot(wayra_database)
    with allowed(sandbox) as project:
        project.create_migration_from_declarations()
        project.migrations.up()
        wayra_database.trips.insert_one({})
        after = snapshot(wayra_database)
        with pytest.raises(MigrationFailedError, match="trips holds documents"):
            project.migrations.rollback(steps=1)
        assert snapshot(wayra_database) == after
        wayra_database.trips.delete_many({})
        project.migrations.rollback(steps=1)
        assert snapshot(wayra_database) == was


class Writer(monitoring.CommandListener):
    """Inserts a document from elsewhere right after a command has run."""

    def __init__(self, after: Callable[[monitoring.CommandSucceededEvent], bool], insert: Callable[[], object]) -> None:
        self._after = after
        self._insert = insert
        self.refused: Exception | None = None

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Not of interest."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Not of interest."""

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """The moment for it."""
        if self._after(event):
            self._after = lambda event: False
            try:
                self._insert()
            except Exception as error:
                self.refused = error


@pytest.mark.parametrize(
    ("command", "stays"), [("find", True), ("collMod", False)], ids=["after the look", "before the drop"]
)
def test_a_document_that_arrives_while_it_is_dropped(
    sandbox: Sandbox, wayra_database: Documents, command: str, stays: bool
) -> None:
    """It is kept and stops the rollback, or it was refused: never accepted and then lost."""
    declare(sandbox, collection(f"validator={SCHEMA}"))
    writer = Writer(
        lambda event: event.command_name == command and event.database_name == wayra_database.name and armed,
        lambda: wayra_database.users.insert_one({"email": "late@example.com"}),
    )
    armed = False
    with allowed(sandbox) as project:
        project.create_migration_from_declarations()
        project.migrations.up()
        after = snapshot(wayra_database)
    with MongoClient[dict[str, Any]](sandbox.uri, event_listeners=[writer]) as client:
        module: dict[str, Any] = {}
        exec((sandbox.folder / "migrations" / "0001_create_users.py").read_text(), module)
        armed = True
        if stays:
            with pytest.raises(RuntimeError, match="holds documents"):
                module["down"](client[wayra_database.name])
            assert snapshot(wayra_database) == after
            assert wayra_database.users.count_documents({}) == 1
        else:
            module["down"](client[wayra_database.name])
            assert "users" not in snapshot(wayra_database)
            assert "Document failed validation" in str(writer.refused)


def test_a_unique_index_that_cannot_be_built(sandbox: Sandbox, wayra_database: Documents) -> None:
    """The collection is not left without the index that it had."""
    wayra_database.users.insert_many([{"email": "a"}, {"email": "a"}])
    index("users", {"key": {"email": 1}, "name": "email_1"})(wayra_database)
    was = snapshot(wayra_database)
    declare(sandbox, collection('indexes=[IndexModel("email", unique=True)]'))
    with allowed(sandbox) as project:
        project.create_migration_from_declarations()
        with pytest.raises(MigrationFailedError, match="DuplicateKeyError"):
            project.migrations.up()
        assert snapshot(wayra_database) == was
        wayra_database.users.delete_one({})
        project.migrations.up()
        assert project.indexes.plan().empty


REWRITES: dict[str, tuple[str, Prepare]] = {
    "capped": (collection('capped={"size": 100000}', 'indexes=[IndexModel("a")]'), create("users")),
    "collation": (
        collection('collation={"locale": "en"}', 'indexes=[IndexModel("a")]'),
        both(create("users"), index("users", {"key": {"a": 1}, "name": "a_1"})),
    ),
    "clustered": (collection('clustered_index={"key": {"_id": 1}, "unique": True}'), create("users")),
    "no longer capped": (collection(f"validator={SCHEMA}"), create("users", capped=True, size=100000)),
}


@pytest.mark.parametrize(("declared", "before"), REWRITES.values(), ids=REWRITES)
def test_what_cannot_be_changed_is_decided_by_a_person(
    sandbox: Sandbox, wayra_database: Documents, declared: str, before: Prepare
) -> None:
    """Nothing of the file runs until then; the path that it shows, brought to life, leads to what is declared."""
    before(wayra_database)
    wayra_database.users.insert_many({"email": str(number)} for number in range(10))
    was = snapshot(wayra_database)
    declare(sandbox, declared + collection(name="trips"))
    with allowed(sandbox) as project:
        path = project.create_migration_from_declarations()
        assert path is not None
        assert "rewrite" in path.name
        assert_tidy(path.read_text(encoding="utf-8"))
        with pytest.raises(MigrationFailedError, match="decide what `up` does with users"):
            project.migrations.up()
        assert snapshot(wayra_database) == was

        path.write_text(alive(path.read_text(encoding="utf-8")), encoding="utf-8")
        project.migrations.up()
        assert project.schema.plan().empty
        assert project.indexes.plan().empty
        assert wayra_database.users.count_documents({}) == 10
        project.migrations.repair(1, "pending")
        project.migrations.up()
        assert wayra_database.users.count_documents({}) == 10
        wayra_database.drop_collection("users_new")
        project.migrations.rollback(steps=1)
        wayra_database.drop_collection("users_new")
        assert snapshot(wayra_database) == was
        assert wayra_database.users.count_documents({}) == 10


def alive(source: str) -> str:
    """The file with its examples brought to life, as a person would after reading it."""
    lines: list[str] = []
    example = False
    for line in source.splitlines():
        if line.startswith("    raise NotImplementedError"):
            example = False
            continue
        example = example or line.startswith("    # if ")
        lines.append(line.replace("    # ", "    ", 1) if example else line)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("declared", "before", "said"),
    [
        (
            collection('indexes=[IndexModel("a")]'),
            both(create("source"), create("users", viewOn="source", pipeline=[])),
            "it is a view",
        ),
        (collection('timeseries={"timeField": "at"}'), create("users"), "it is a collection"),
        (collection(), create("users", timeseries={"timeField": "at"}), "it is a timeseries"),
    ],
    ids=["a view", "to a time series", "from a time series"],
)
def test_kinds_that_differ(
    sandbox: Sandbox, wayra_database: Documents, declared: str, before: Prepare, said: str
) -> None:
    """A view or time series cannot be copied and swapped; the file says what can be done and stops."""
    before(wayra_database)
    declare(sandbox, declared)
    with sandbox.open(adopt=True) as project:
        path = project.create_migration_from_declarations()
        assert path is not None
        assert said in path.read_text(encoding="utf-8")
        assert_tidy(path.read_text(encoding="utf-8"))
        with pytest.raises(MigrationFailedError, match="decide what"):
            project.migrations.up()


def test_the_same_text_for_the_same_difference(sandbox: Sandbox, wayra_database: Documents) -> None:
    """Two colleagues get the same file, but for the time."""
    declared, before = PAIRS["much at once"]
    before(wayra_database)
    declare(sandbox, declared)
    texts, names = [], []
    for _ in range(2):
        with sandbox.open() as project:
            path = project.create_migration_from_declarations()
            assert path is not None
            texts.append([line for line in path.read_text(encoding="utf-8").splitlines() if "Created:" not in line])
            names.append(path.name)
            path.unlink()
    assert texts[0] == texts[1]
    assert names == ["0001_create_trips_change_users_index_users.py"] * 2
    assert texts[0][1] == "Migration: create trips, change users, index users"


def test_a_user_who_may_only_read_is_enough(sandbox: Sandbox, wayra_auth_server: TemporaryServer) -> None:
    """The file can be written from what production is, without a key to change it."""
    name = sandbox.database
    with wayra_auth_server.client() as client:
        client[name].command("createUser", "reader", pwd="reader", roles=["read"])
        index("users", {"key": {"email": 1}, "name": "email_1"})(client[name])
        host = wayra_auth_server.nodes[0].host
        sandbox.uri = f"mongodb://reader:reader@{host}/{name}?directConnection=true"
        declare(sandbox, PAIRS["much at once"][0])
        with sandbox.open() as project:
            path = project.create_migration_from_declarations()
            assert path is not None
            assert path.name == "0001_create_trips_change_users_index_users.py"
        client[name].command("dropUser", "reader")
        client.drop_database(name)


def test_a_new_database_after_two_of_them(sandbox: Sandbox) -> None:
    """Declarations are applied first, then both migrations run from the first on: the end is what is declared."""
    for declared in (f"validator={SCHEMA}", 'validator={"x": 1}', 'indexes=[IndexModel("a")]'):
        declare(sandbox, collection(declared, "indexes=[]" if "indexes" not in declared else "validator={}"))
        with allowed(sandbox) as project:
            assert project.create_migration_from_declarations() is not None
            project.migrations.up()
    with allowed(sandbox) as project:
        project.deployment.client.drop_database(sandbox.database)
        project.initializer.run()
        assert project.migrations.plan().steps == ()
        assert project.declared_changes().empty
