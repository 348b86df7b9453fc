from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import json_util
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from tests import age_format
from tests.integration.backups import copies
from wayra_db.backups import create, streaming, survey
from wayra_db.backups.batches import Run
from wayra_db.backups.budget import Budget
from wayra_db.backups.create import create_backup
from wayra_db.backups.folder import new_folder
from wayra_db.backups.manifest import Codec
from wayra_db.backups.moment import Moment
from wayra_db.backups.reading import Reading, read, read_directly
from wayra_db.environment import Action, Environment
from wayra_db.errors import BackupError, ConfigError, RefusedError
from wayra_db.mongo.client import Deployment
from wayra_db.testing import CommandCounter, ServerUnderTest, TemporaryServer

Documents = Database[dict[str, Any]]


@pytest.mark.parametrize("codec", ["zstd", "gzip", "none"])
def test_every_kind_of_collection(wayra_database: Documents, tmp_path: Path, codec: Codec) -> None:
    """The files hold byte by byte what the server holds, with options and indexes; a capped one in its order."""
    copies.fill_with_every_kind(wayra_database)
    result = create_backup(copies.guard(wayra_database), tmp_path, name="one", codec=codec)
    found = copies.whole(result)
    listed = {one["name"]: one for one in wayra_database.list_collections()}
    for entry in result.manifest.collections:
        assert json_util.loads(json.dumps(entry.options)) == listed[entry.name]["options"]
        if entry.kind == "view":
            assert entry.data is None
            continue
        assert json_util.loads(json.dumps(list(entry.indexes))) == [
            dict(index) for index in wayra_database[entry.name].list_indexes()
        ]
        source = f"system.buckets.{entry.name}" if entry.kind == "timeseries" else entry.name
        expected = copies.raw_documents(wayra_database, source)
        assert found[entry.name] == expected, entry.name
        assert entry.uuid == bytes(listed[source]["info"]["uuid"]).hex()
    names = {one.name for one in result.manifest.collections}
    assert names == {name for name in listed if not name.startswith("system.")} - {"_wayra_lock"}
    assert [one.name for one in result.manifest.left_out] == ["_wayra_lock"]
    assert result.manifest.applied == (1, 2)
    assert not result.manifest.redacted


def test_files_and_folders_are_private(wayra_database: Documents, tmp_path: Path) -> None:
    """0600 and 0700, whatever the umask."""
    wayra_database.a.insert_one({})
    result = create_backup(copies.guard(wayra_database), tmp_path / "backups")
    for path in (result.path, *result.path.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_files_are_what_mongodump_writes(wayra_database: Documents, tmp_path: Path) -> None:
    """Names, metadata and prelude have the shape of the real tool's, for the same collections."""
    theirs = Path(__file__).parents[2] / "data" / "mongodump" / "dir" / "legacy"
    copies.fill_with_every_kind(wayra_database)
    wayra_database["odd/name%20é"].insert_one({"_id": 1})
    result = create_backup(copies.guard(wayra_database), tmp_path, codec="none")
    ours = result.path / wayra_database.name
    for name in ("people", "words", "ring", "weather", "clustered", "odd%2Fname%2520%C3%A9", "empty+coll", "fs.files"):
        if not (theirs / f"{name}.metadata.json").exists():
            continue
        real = json.loads((theirs / f"{name}.metadata.json").read_text())
        made = json.loads((ours / f"{name}.metadata.json").read_text())
        assert list(made) == list(real), name
        assert (made["collectionName"], made["type"]) == (real["collectionName"], real["type"])
        assert made.get("options", {}).keys() == real.get("options", {}).keys()
        assert len(made.get("uuid", "")) == len(real.get("uuid", ""))
    assert (ours / "system.buckets.weather.bson").is_file()
    assert "ServerVersion" in json.loads((ours / "prelude.json").read_text())


ODD_KEYS = st.text(min_size=1, max_size=8).filter(lambda key: "\0" not in key and not key.startswith("$"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=40)
    | st.sampled_from(list(copies.EVERY_TYPE.values())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.dictionaries(ODD_KEYS.filter(lambda key: key != "_id"), VALUES, max_size=5), min_size=1, max_size=25)
)
def test_wild_documents(wayra_database: Documents, tmp_path: Path, documents: list[dict[str, Any]]) -> None:
    """Whatever the server has taken stands in the file unchanged."""
    wayra_database.wild.drop()
    wayra_database.wild.insert_many(
        [RawBSONDocument(bson.encode({"_id": n, **one})) for n, one in enumerate(documents)]
    )
    result = create_backup(copies.guard(wayra_database), tmp_path, collections=["wild"])
    assert copies.whole(result)["wild"] == copies.raw_documents(wayra_database, "wild")


def test_the_largest_and_the_deepest(wayra_database: Documents, tmp_path: Path) -> None:
    """Documents of 16 MB, and as deep as the server takes them."""
    deep: dict[str, Any] = {}
    for _ in range(90):
        deep = {"d": [deep]}
    largest = {"_id": 1, "data": b"\1" * (16 * 1024 * 1024 - 25)}
    assert len(bson.encode(largest)) == 16 * 1024 * 1024
    wayra_database.big.insert_one(deep)
    wayra_database.big.insert_one(largest)
    wayra_database.big.insert_many([{"n": n} for n in range(2000)])
    result = create_backup(copies.guard(wayra_database), tmp_path, codec="none")
    assert copies.whole(result)["big"] == copies.raw_documents(wayra_database, "big")


def test_several_ranges_hold_each_document_once(
    wayra_database: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where _id is of several types, which the sample alone would not show."""
    monkeypatch.setattr("wayra_db.backups.ranges.SMALLEST_RANGE", 50_000)
    ids: list[Any] = [bson.ObjectId() for _ in range(20_000)]
    wayra_database.many.insert_many([{"_id": one, "text": "x" * 30} for one in ids])
    guard = copies.guard(wayra_database)
    definitions = streaming_sources(guard.deployment)
    assert len(definitions["many"].ranges) == 5  # the last is for MaxKey
    odd: list[Any] = [None, 1, "a", b"x", {"a": 1}, True, bson.MinKey(), bson.MaxKey(), 2.5]
    wayra_database.many.insert_many([{"_id": one} for one in odd])
    result = create_backup(guard, tmp_path, jobs=4)
    found = [bytes(one) for one in copies.whole(result)["many"]]
    assert sorted(found) == sorted(copies.raw_documents(wayra_database, "many"))


def streaming_sources(deployment: Deployment) -> dict[str, streaming.Source]:
    """How the collections would be read by four cursors."""
    from wayra_db.backups import definitions as catalog
    from wayra_db.backups.moment import choose_moment

    found = catalog.read_definitions(deployment)
    stats, moment = catalog.read_stats(deployment, found), choose_moment(deployment, found)
    sources = streaming.make_sources(deployment, found, stats, moment, {}, readers=4)
    return {one.definition.name: one for one in sources}


def test_the_drivers_own_cursors_read_the_same(wayra_database: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way for sharded clusters, here on a replica set, gives the same documents at the same moment."""
    wayra_database.a.insert_many([{"n": n} for n in range(5000)])
    deployment = Deployment(wayra_database.client, wayra_database.name)
    sources = streaming_sources(deployment)
    definition, moment = sources["a"].definition, sources["a"].moment
    wayra_database.a.insert_one({"n": "later"})
    reading = Reading("a", definition.uuid, moment)
    direct = b"".join(run.data for run in read_directly(deployment.database, reading, 100, Budget(1 << 24)))
    monkeypatch.setattr(type(deployment.capabilities), "sharded", property(lambda self: True))
    by_cursor: list[Run] = list(read(deployment, reading, 100, Budget(1 << 24)))
    assert b"".join(run.data for run in by_cursor) == direct
    assert sum(run.documents for run in by_cursor) == 5000


def test_a_cursor_that_is_given_up_is_closed(wayra_server: ServerUnderTest, wayra_database: Documents) -> None:
    """On the server, at once."""
    wayra_database.a.insert_many([{"n": n} for n in range(500)])
    counter = CommandCounter()
    with wayra_server.client(event_listeners=[counter]) as client:
        deployment = Deployment(client, wayra_database.name)
        deployment.capabilities  # noqa: B018  # read now, so that it is not counted
        counter.clear()
        runs = read(deployment, Reading("a", None, Moment()), 10, Budget(1 << 24))
        next(runs)
        runs.close()
    assert counter.names[:2] == ["find", "killCursors"]


def test_round_trips(wayra_server: ServerUnderTest, wayra_database: Documents, tmp_path: Path) -> None:
    """Few, and of them a fixed number for each collection."""

    def count(name: str) -> int:
        counter = CommandCounter()
        with wayra_server.client(event_listeners=[counter]) as client:
            create_backup(copies.guard(client[wayra_database.name]), tmp_path, name=name)
        return counter.count

    wayra_database.a.insert_one({})
    first = count("first")
    for name in "bcdef":
        wayra_database[name].insert_one({})
    assert first <= 16
    assert count("second") - first == 5 * 4  # twice its indexes, its size, its documents


def test_a_standalone_server_says_so(wayra_standalone: TemporaryServer, tmp_path: Path) -> None:
    """No snapshot and no oplog: the manifest does not claim more than was reached."""
    with wayra_standalone.client() as client:
        database = client["backups"]
        copies.fill_with_every_kind(database)
        result = create_backup(copies.guard(database), tmp_path)
        assert result.manifest.consistency.kind == "none"
        assert "standalone" in result.manifest.consistency.note
        assert copies.whole(result)["people"] == copies.raw_documents(database, "people")
        client.drop_database("backups")


def test_an_empty_database(wayra_database: Documents, tmp_path: Path) -> None:
    """A backup of nothing is one."""
    result = create_backup(copies.guard(wayra_database), tmp_path)
    assert result.manifest.collections == ()
    assert copies.whole(result) == {}


def test_only_some_collections(wayra_database: Documents, tmp_path: Path) -> None:
    """What is not in it is named, with the reason; a name that is not there is refused with a guess."""
    for name in ("users", "trips", "logs"):
        wayra_database[name].insert_one({})
    guard = copies.guard(wayra_database)
    some = create_backup(guard, tmp_path, name="some", collections=["users"])
    assert list(copies.whole(some)) == ["users"]
    assert {(one.name, one.reason) for one in some.manifest.left_out} == {
        ("trips", "not asked for"),
        ("logs", "not asked for"),
    }
    most = create_backup(guard, tmp_path, name="most", exclude=["logs"])
    assert sorted(copies.whole(most)) == ["trips", "users"]
    with pytest.raises(BackupError, match="no collection 'user'") as caught:
        create_backup(guard, tmp_path, name="none", collections=["user"])
    assert "users" in caught.value.hint
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": "../x"}, ConfigError),
        ({"name": ""}, ConfigError),
        ({"level": 99}, ConfigError),
        ({"codec": "lz4"}, ConfigError),
        ({"jobs": 0}, ConfigError),
        ({"include_sensitive": True}, RefusedError),
        ({"plaintext": True, "recipients": ["age1x"]}, ConfigError),
        ({"recipients": ["age1x"]}, ConfigError),
        ({"recipients": ["no/such/file"]}, ConfigError),
        ({"name": "taken"}, BackupError),
        ({"collections": ["nothing"]}, BackupError),
        ({"collections": ["there"], "exclude": ["there"]}, BackupError),
    ],
)
def test_what_is_refused_writes_nothing(
    wayra_database: Documents, tmp_path: Path, options: dict[str, Any], error: type[Exception]
) -> None:
    """Not even a hidden folder."""
    (tmp_path / "taken").mkdir()
    wayra_database.there.insert_one({})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error):
        create_backup(copies.guard(wayra_database), tmp_path, **options)
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_is_written_to_the_database(wayra_database: Documents, tmp_path: Path) -> None:
    """A backup only reads: no lock, no log, no marker."""
    wayra_database.a.insert_one({"_id": 1})
    before = wayra_database.command("dbHash")["md5"]
    create_backup(copies.guard(wayra_database), tmp_path)
    assert wayra_database.command("dbHash")["md5"] == before


def test_production_needs_permission_and_encryption(wayra_database: Documents, tmp_path: Path) -> None:
    """The action, then for a whole backup a recipient, also for the tool's own safety backups."""
    import pyrage  # type: ignore[import-untyped]

    wayra_database.a.insert_one({})
    refused = copies.guard(wayra_database, Environment.PRODUCTION)
    with pytest.raises(RefusedError, match="explicit permission"):
        create_backup(refused, tmp_path)
    allowed = copies.guard(wayra_database, Environment.PRODUCTION, permitted={Action.BACKUP_CREATE})
    with pytest.raises(RefusedError, match="must be encrypted"):
        create_backup(allowed, tmp_path, include_sensitive=True, plaintext=True)
    with pytest.raises(RefusedError, match="must be encrypted"):
        create_backup(allowed, tmp_path, reason="safety")
    assert list(tmp_path.iterdir()) == []
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    made = create_backup(allowed, tmp_path, reason="safety", recipients=[recipient])
    assert made.manifest.recipients == (recipient,)


def by_the_program(path: Path, identity: str, tmp_path: Path) -> bytes:
    """What the real `age` makes of a file."""
    key = tmp_path / "key.txt"
    key.write_text(identity)
    age = shutil.which("age")
    assert age is not None
    return subprocess.run([age, "--decrypt", "-i", str(key), str(path)], check=True, capture_output=True).stdout


def by_the_specification(path: Path, identity: str, tmp_path: Path) -> bytes:
    """What the specification of the format says of a file."""
    return age_format.decrypt(path.read_bytes(), identity)


# The program where it is there; the specification everywhere.
INDEPENDENT = [by_the_specification, *([by_the_program] if shutil.which("age") else [])]


@pytest.mark.parametrize("decrypt", INDEPENDENT)
def test_another_age_opens_an_encrypted_backup(
    wayra_database: Documents, tmp_path: Path, decrypt: Callable[[Path, str, Path], bytes]
) -> None:
    """Every file, of nothing, of less than a chunk and of many, is what would otherwise be there."""
    import pyrage

    wayra_database.people.insert_many([{"n": number, "pad": os.urandom(900)} for number in range(3000)])
    wayra_database.small.insert_one({"n": 1})
    wayra_database.create_collection("empty")
    identities = [pyrage.x25519.Identity.generate() for _ in range(2)]
    to = [str(one.to_public()) for one in identities]
    guard = copies.guard(wayra_database)
    made = create_backup(guard, tmp_path / "b", include_sensitive=True, recipients=to, codec="none")
    for identity in identities:
        for entry in made.manifest.collections:
            assert entry.data is not None
            data = decrypt(made.path / entry.data, str(identity), tmp_path)
            assert hashlib.sha256(data).hexdigest() == entry.sha256
            assert copies.split(data) == copies.raw_documents(wayra_database, entry.name)


def test_backups_at_once_never_meet(wayra_database: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unnamed ones each get a name of their own; of two with one name, the second is told so before it has begun."""
    monkeypatch.setattr("wayra_db.backups.create.default_name", lambda *arguments: "same")
    guard = copies.guard(wayra_database)
    wayra_database.a.insert_one({})
    together = threading.Barrier(4)
    survey_first = survey.survey

    def survey_then_wait(*arguments: Any) -> Any:
        found = survey_first(*arguments)
        together.wait()
        return found

    monkeypatch.setattr(create, "survey", survey_then_wait)
    with ThreadPoolExecutor(4) as pool:
        made = [one.result() for one in [pool.submit(create_backup, guard, tmp_path) for _ in range(4)]]
    names = {one.manifest.name for one in made}
    assert names == {"same", "same_2", "same_3", "same_4"} == {path.name for path in tmp_path.iterdir()}
    monkeypatch.setattr(create, "survey", survey_first)
    refused = []

    def write_another(*arguments: Any) -> Any:
        with pytest.raises(BackupError, match="named mine is being written") as caught:
            new_folder(tmp_path, "mine").__enter__()
        refused.append(caught.value)
        return applied(*arguments)

    applied = survey.applied_versions
    monkeypatch.setattr(create, "applied_versions", write_another)
    create_backup(guard, tmp_path, name="mine")
    assert len(refused) == 1


def test_names_of_the_same_second(wayra_database: Documents, tmp_path: Path) -> None:
    """Two backups without a name never meet."""
    made = {create_backup(copies.guard(wayra_database), tmp_path).manifest.name for _ in range(3)}
    assert len(made) == 3


@pytest.mark.parametrize("role", ["read", "readWrite"])
def test_a_user_with_few_rights(wayra_auth_server: TemporaryServer, tmp_path: Path, role: str) -> None:
    """Buckets take more rights; without the oplog, capped collections are of their own time. The rest is as ever."""
    from pymongo import MongoClient

    with wayra_auth_server.client() as root:
        root.drop_database("rights")
        database = root["rights"]
        copies.fill_with_every_kind(database)
        database.command("dropAllUsersFromDatabase")
        database.command("createUser", "few", pwd="pa55", roles=[role])
        address = wayra_auth_server.nodes[0].host
        client: MongoClient[dict[str, Any]] = MongoClient(
            address, username="few", password="pa55", authSource="rights", directConnection=True
        )
        with client:
            with pytest.raises(BackupError, match="time series weather") as caught:
                create_backup(copies.guard(client["rights"]), tmp_path)
            assert "--exclude weather" in caught.value.hint
            result = create_backup(copies.guard(client["rights"]), tmp_path, exclude=["weather"])
            assert copies.whole(result)["people"] == copies.raw_documents(database, "people")
            assert (result.manifest.consistency.kind, result.manifest.apart) == ("snapshot", ("ring",))
            assert "may not read the oplog" in result.manifest.consistency.note
        root.drop_database("rights")
        database.command("dropAllUsersFromDatabase")


def test_a_user_without_rights(wayra_auth_server: TemporaryServer, tmp_path: Path) -> None:
    """An error that says so, and nothing is written."""
    from pymongo import MongoClient

    from wayra_db.errors import AuthenticationError

    with wayra_auth_server.client() as root:
        root["rights"].command("dropAllUsersFromDatabase")
        root["rights"].command("createUser", "none", pwd="pa55", roles=[])
        client: MongoClient[dict[str, Any]] = MongoClient(
            wayra_auth_server.nodes[0].host,
            username="none",
            password="pa55",
            authSource="rights",
            directConnection=True,
        )
        with client, pytest.raises(AuthenticationError, match="may not"):
            create_backup(copies.guard(client["rights"]), tmp_path / "backups")
        root["rights"].command("dropAllUsersFromDatabase")
    assert not (tmp_path / "backups").exists()


def test_an_encrypted_backup(wayra_database: Documents, tmp_path: Path) -> None:
    """Opens with the identity alone, and is then what would otherwise be there; the manifest stays readable."""
    import pyrage

    wayra_database.people.insert_many([{"secret": f"hidden-{number}"} for number in range(3000)])
    wayra_database.create_collection("log", capped=True, size=4096)
    wayra_database.log.insert_one({"secret": "hidden-log"})
    identity = pyrage.x25519.Identity.generate()
    to = [str(identity.to_public())]
    guard = copies.guard(wayra_database)
    with copies.writing_while_capped_are_read(wayra_database, "log"):
        result = create_backup(guard, tmp_path, include_sensitive=True, recipients=to, codec="none")
    manifest = result.manifest
    assert manifest.oplog is not None
    sealed = [path for path in result.path.rglob("*") if path.suffix == ".age"]
    assert len(sealed) == 3
    assert b"hidden" not in b"".join(path.read_bytes() for path in result.path.rglob("*") if path.is_file())
    for entry in manifest.collections:
        assert entry.data is not None
        data = pyrage.decrypt((result.path / entry.data).read_bytes(), [identity])
        # What the log got meanwhile is in the slice of the oplog.
        assert copies.split(data) == copies.raw_documents(wayra_database, entry.name)[: entry.documents]
        assert len(data) == entry.bytes
    assert manifest.oplog.data == "oplog.bson.age"
