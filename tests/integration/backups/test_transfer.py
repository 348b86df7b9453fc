"""Export and import on a real server."""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Int64
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import IndexModel
from pymongo.database import Database

from tests.support import Sandbox
from tests.unit.backups.transfer.bson_documents import DOCUMENTS
from wayra_db import Action, Project
from wayra_db.backups.transfer.extjson import CODEC, encode
from wayra_db.backups.transfer.readers import TableOptions
from wayra_db.errors import BackupError, CancelledError, ConfigError, ImportFailedError, RefusedError
from wayra_db.events import Notice, Progress, SecurityEvent
from wayra_db.stopping import Stop
from wayra_db.testing import ServerUnderTest

Documents = Database[dict[str, Any]]

DATA = Path(__file__).parents[2] / "data" / "mongodump"

COLLECTIONS = """
from pymongo import IndexModel
from wayra_db import Collection, Mask

users = Collection(
    "users",
    validator={"$jsonSchema": {"bsonType": "object", "required": ["email"],
        "properties": {"email": {"bsonType": "string"}, "age": {"bsonType": "int", "minimum": 0},
            "profile": {"bsonType": "object"}}}},
    indexes=[IndexModel([("email", 1)], unique=True), IndexModel([("age", 1)])],
    sensitive={"email": Mask.EMAIL, "profile.name": Mask.TEXT},
)
"""


@pytest.fixture
def project(sandbox: Sandbox) -> Iterator[Project]:
    """A project with declared users, initialised."""
    sandbox.write("collections/users.py", COLLECTIONS)
    with sandbox.open() as project:
        project.initializer.run()
        yield project


def users(count: int, begin: int = 0) -> list[dict[str, Any]]:
    """Valid users."""
    return [
        {"_id": number, "email": f"u{number}@example.com", "age": number, "profile": {"name": f"N{number}"}}
        for number in range(begin, begin + count)
    ]


def raws(database: Documents, name: str) -> list[bytes]:
    """The documents of a collection, byte by byte, in the order of their _ids."""
    options: Any = CODEC.with_options(document_class=RawBSONDocument)
    found: Any = database.get_collection(name, codec_options=options).find(sort=[("_id", 1)])
    return [one.raw for one in found]


def state(database: Documents, name: str) -> tuple[Any, ...]:
    """A collection: documents, options, indexes."""
    options = [one["options"] for one in database.list_collections(filter={"name": name})]
    return raws(database, name), options, database[name].index_information()


def leftovers(database: Documents) -> list[str]:
    """Temporary collections, and records of what is on its way."""
    names = [name for name in database.list_collection_names() if name.startswith("_wayra_import_")]
    return names + [one["_id"] for one in database["_wayra_meta"].find({"_id": {"$regex": "^_wayra_import_"}})]


def write(folder: Path, name: str, documents: list[dict[str, Any]]) -> Path:
    """Documents as lines of JSON."""
    path = folder / name
    path.write_text("".join(json.dumps(one) + "\n" for one in documents), encoding="utf-8")
    return path


# --- both ways -----------------------------------------------------------------------------------------------------


def test_the_original_calls(project: Project, wayra_database: Documents) -> None:
    """As the first version of this tool was called: export to the backup folder, import from there."""
    wayra_database.users.insert_many([{**one, "isActive": one["_id"] % 2 == 0} for one in users(10)])
    result = project.backups.export_collection("users", query={"isActive": True}, limit=3)
    assert result.path == project.settings.backups_dir / "users_export.json"
    assert (result.documents, result.format, result.bytes) == (3, "json", result.path.stat().st_size)
    assert stat.S_IMODE(result.path.stat().st_mode) == 0o600
    assert [one["_id"] for one in json.loads(result.path.read_text())] == [0, 2, 4]
    imported = project.backups.import_collection("backups/users_export.json", clear_existing=True)
    assert (imported.imported, imported.rejected, imported.replaced_all) == (3, 0, True)
    assert wayra_database.users.distinct("_id") == [0, 2, 4]


@pytest.mark.parametrize("ending", ["json", "jsonl", "bson", "json.gz", "jsonl.zst", "bson.zst", "bson.gz"])
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(documents=st.lists(DOCUMENTS, min_size=1, max_size=6))
def test_any_document_comes_back_byte_by_byte(
    project: Project, wayra_database: Documents, tmp_path: Path, ending: str, documents: list[dict[str, Any]]
) -> None:
    """Out of the server, through a file, into another collection."""
    source = wayra_database.get_collection("source", codec_options=CODEC)
    source.drop()
    source.insert_many([RawBSONDocument(encode({"_id": number, **one})) for number, one in enumerate(documents)])
    path = tmp_path / f"copied_export.{ending}"
    result = project.backups.export_collection("source", path=path, canonical=True, force=True)
    assert (result.documents, result.inexact) == (len(documents), 0)
    project.backups.import_collection(path, clear_existing=True)
    assert raws(wayra_database, "copied") == raws(wayra_database, "source")


@pytest.mark.parametrize("file", ["people.jsonl", "people.canonical.json"])
def test_what_mongoexport_wrote_is_imported_equal(project: Project, wayra_database: Documents, file: str) -> None:
    """The same documents as in the dump that was made with it, and lines are written again byte by byte."""
    project.backups.import_collection(DATA / file, collection="people")
    dumped = (DATA / "people.bson").read_bytes()
    assert b"".join(raws(wayra_database, "people")) == dumped
    out = io.BytesIO()
    project.backups.export_collection("people", sort={"_id": 1}, path=out, format="jsonl")
    assert out.getvalue() == (DATA / "people.jsonl").read_bytes()


def test_every_type_that_mongoexport_wrote(project: Project, wayra_database: Documents) -> None:
    """The relaxed line with all types is the document of the dump."""
    project.backups.import_collection(DATA / "types.jsonl")
    assert b"".join(raws(wayra_database, "types")) == (DATA / "dump/legacy/types.bson").read_bytes()


def test_the_table_of_mongoexport(project: Project, wayra_database: Documents) -> None:
    """Its CSV is written equal to the byte, and read into the documents that it was made of, but for their _ids."""
    project.backups.import_collection(DATA / "people.jsonl")
    out, fields = io.BytesIO(), ["email", "name.first", "joined", "score", "tags"]
    project.backups.export_collection("people", sort={"_id": 1}, fields=fields, path=out, format="csv")
    assert out.getvalue() == (DATA / "people.csv").read_bytes()
    project.backups.import_collection(DATA / "people.csv", collection="table")
    projection = {"_id": 0, **dict.fromkeys(fields, 1)}
    expected = list(wayra_database.people.find({}, projection, sort=[("_id", 1)]))
    assert list(wayra_database.table.find({}, projection, sort=[("_id", 1)])) == expected


def test_a_typed_table_comes_back(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """With types in the header nothing is guessed."""
    wayra_database.t.insert_many([{"_id": 1, "zip": "01234", "n": Int64(5)}, {"_id": 2, "zip": "", "n": 5, "x": None}])
    path = tmp_path / "t.csv.gz"
    project.backups.export_collection("t", path=path, typed_header=True)
    before = raws(wayra_database, "t")
    project.backups.import_collection(path, clear_existing=True, table=TableOptions(typed_header=True))
    assert raws(wayra_database, "t") == before


# --- export --------------------------------------------------------------------------------------------------------


def test_fields_are_chosen_on_the_server(project: Project, wayra_database: Documents) -> None:
    """Only what is asked for, or all but what is left out."""
    wayra_database.users.insert_many(users(2))

    def export(**options: Any) -> list[Any]:
        out = io.BytesIO()
        project.backups.export_collection("users", path=out, sort={"_id": -1}, **options)
        found: list[Any] = json.loads(out.getvalue())
        return found

    assert export(fields=["profile.name", "profile"]) == [{"profile": {"name": "N1"}}, {"profile": {"name": "N0"}}]
    assert export(fields=["_id", "age"], limit=1) == [{"_id": 1, "age": 1}]
    assert export(exclude=["profile.name", "email"], limit=1) == [{"_id": 1, "age": 1, "profile": {}}]
    with pytest.raises(ConfigError, match="chosen and left out"):
        export(fields=["a"], exclude=["b"])
    with pytest.raises(ConfigError, match="no path of a field"):
        export(fields=["a..b"])


def test_a_redacted_export_holds_no_sensitive_value(
    project: Project, wayra_database: Documents, tmp_path: Path
) -> None:
    """Masked on the server, in every format; equal values stay equal, so that it can be imported again."""
    wayra_database.users.insert_many(users(20))
    for ending in ("json", "jsonl", "bson", "csv"):
        path = tmp_path / f"users.{ending}"
        result = project.backups.export_collection("users", path=path, redact=True)
        data = path.read_bytes()
        assert result.redacted
        assert b"@example.com" not in data
        assert b"N1" not in data
        assert project.backups.import_collection(path, clear_existing=True).imported == 20
        assert all(one["email"].endswith("@example.invalid") for one in wayra_database.users.find())
        wayra_database.users.drop()
        project.initializer.run()
        wayra_database.users.insert_many(users(20))


def test_redacting_what_declares_nothing_warns(project: Project, wayra_database: Documents, sandbox: Sandbox) -> None:
    """The documents are as they are, and it is said."""
    wayra_database.trips.insert_one({"a": 1})
    project.backups.export_collection("trips", path=io.BytesIO(), redact=True)
    assert "no sensitive fields are declared for trips" in sandbox.observer.of(Notice)[-1].message


def test_production_asks_for_each_permission(sandbox: Sandbox, wayra_database: Documents) -> None:
    """One to export, one more for sensitive fields as they are; masks or other fields do without the second."""
    sandbox.write("collections/users.py", COLLECTIONS)
    production = {"WAYRA_ENV": "production"}
    with sandbox.open(environ=production) as project:
        project.initializer.run()
        wayra_database.users.insert_many(users(1))
        with pytest.raises(RefusedError, match="exporting documents needs explicit permission"):
            project.backups.export_collection("users", path=io.BytesIO(), redact=True)
        with pytest.raises(RefusedError, match="importing documents needs explicit permission"):
            project.backups.import_collection(io.BytesIO(b""), collection="users", format="json")
    with sandbox.open(environ=production, permitted=[Action.EXPORT]) as project:
        with pytest.raises(RefusedError, match="exporting sensitive fields") as caught:
            project.backups.export_collection("users", path=io.BytesIO())
        assert "--redact" in caught.value.hint
        wayra_database.create_collection("people", viewOn="users", pipeline=[])
        with pytest.raises(RefusedError, match="exporting sensitive fields"):
            project.backups.export_collection("people", path=io.BytesIO())
        with pytest.raises(ConfigError, match="view people are sensitive is not declared, and it reads users"):
            project.backups.export_collection("people", path=io.BytesIO(), redact=True)
        project.backups.export_collection("users", path=io.BytesIO(), redact=True)
        project.backups.export_collection("users", path=io.BytesIO(), fields=["age"])
        project.backups.export_collection("users", path=io.BytesIO(), exclude=["email", "profile"])
    with sandbox.open(environ=production, permitted=[Action.EXPORT, Action.EXPORT_SENSITIVE]) as project:
        project.backups.export_collection("users", path=io.BytesIO())
        assert sandbox.observer.of(SecurityEvent)[-1].action == "export_sensitive"


def test_a_view_is_exported(project: Project, wayra_database: Documents) -> None:
    """As it is seen."""
    wayra_database.trips.insert_many([{"_id": number} for number in range(5)])
    wayra_database.create_collection("late", viewOn="trips", pipeline=[{"$match": {"_id": {"$gt": 2}}}])
    out = io.BytesIO()
    assert project.backups.export_collection("late", path=out).documents == 2


def test_an_export_replaces_nothing_unasked(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """Neither a file nor a link nor what came meanwhile; with force the link itself is replaced."""
    wayra_database.trips.insert_one({"_id": 1})
    kept, link = tmp_path / "kept", tmp_path / "trips.json"
    kept.write_text("kept")
    link.symlink_to(kept)
    with pytest.raises(BackupError, match="is there already; nothing was written") as caught:
        project.backups.export_collection("trips", path=link)
    assert "--force" in caught.value.hint
    project.backups.export_collection("trips", path=link, force=True)
    assert kept.read_text() == "kept"
    assert not link.is_symlink()
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_file()) == ["kept", "trips.json"]


def test_an_export_makes_no_folder(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """A slip in the path is told, with the command that makes the folder; the backup folder is made as it was."""
    wayra_database.trips.insert_one({"_id": 1})
    with pytest.raises(BackupError, match="there is no folder") as caught:
        project.backups.export_collection("trips", path=tmp_path / "missing" / "trips.json")
    assert f"mkdir -p {tmp_path / 'missing'}" in caught.value.hint
    assert not (tmp_path / "missing").exists()
    assert project.backups.export_collection("trips").path == project.settings.backups_dir / "trips_export.json"


def test_a_full_disk_and_a_folder_that_cannot_be_written(
    project: Project, wayra_database: Documents, tmp_path: Path
) -> None:
    """An error that says so, and nothing left behind."""
    wayra_database.trips.insert_many([{"s": "x" * 1000} for _ in range(100)])
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(BackupError, match="cannot be written"):
        project.backups.export_collection("trips", path=file / "trips.json")
    with pytest.raises(OSError, match="No space"), Path("/dev/full").open("wb", buffering=0) as full:
        project.backups.export_collection("trips", path=full)


def test_a_stop_leaves_no_file(project: Project, sandbox: Sandbox, wayra_database: Documents, tmp_path: Path) -> None:
    """Asked for during the export, honoured at the edge of a batch."""
    wayra_database.trips.insert_many([{"_id": number} for number in range(5000)])
    stop = Stop()
    with sandbox.open(stop=stop) as other:
        other._observer = lambda event: stop.request("test") if isinstance(event, Progress) else None
        with pytest.raises(CancelledError):
            other.backups.export_collection("trips", path=tmp_path / "trips.json")
    assert list(tmp_path.glob("**/*trips*")) == []


def test_what_is_not_there(project: Project, tmp_path: Path) -> None:
    """A collection and a file that do not exist are named, with what there is."""
    with pytest.raises(BackupError, match="no collection 'user'") as caught:
        project.backups.export_collection("user")
    assert "users" in caught.value.hint
    with pytest.raises(BackupError, match="cannot be read"):
        project.backups.import_collection(tmp_path / "users.json")
    with pytest.raises(ConfigError, match="says no format"):
        project.backups.import_collection(tmp_path / "users.xml")
    with pytest.raises(ConfigError, match="no collection to import into"):
        project.backups.import_collection(write(tmp_path, "_wayra_log.jsonl", []))


def test_deprecated_types_are_counted(project: Project, wayra_database: Documents, sandbox: Sandbox) -> None:
    """What text cannot say is said; BSON keeps it."""
    symbol = b"\x20\x00\x00\x00\x10_id\x00\x01\x00\x00\x00\x0ea\x00\x02\x00\x00\x00x\x00\x00"
    symbol = len(symbol).to_bytes(4, "little") + symbol[4:]
    wayra_database.old.insert_one(RawBSONDocument(symbol))
    assert project.backups.export_collection("old", path=io.BytesIO()).inexact == 1
    assert "--format bson keeps every byte" in sandbox.observer.of(Notice)[-1].message
    out = io.BytesIO()
    assert project.backups.export_collection("old", path=out, format="bson").inexact == 0
    assert out.getvalue() == symbol


# --- import: all or nothing ----------------------------------------------------------------------------------------

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("the validator", {"_id": 100, "age": -1}, "the validator refuses it: "),
    ("a duplicate in the file", {"_id": 100, "email": "u3@example.com"}, "same email"),
    ("an _id twice in the file", {"_id": 3, "email": "new@example.com"}, "same _id"),
    ("an _id that is there", {"_id": 50, "email": "new@example.com"}, "a document with this _id"),
    ("a key that is there", {"_id": 100, "email": "u50@example.com"}, "a document with the same email"),
]


@pytest.mark.parametrize(("what", "document", "reason"), BAD, ids=[one[0] for one in BAD])
def test_one_bad_document_and_nothing_is_imported(
    project: Project, wayra_database: Documents, tmp_path: Path, what: str, document: dict[str, Any], reason: str
) -> None:
    """The error names file, line and reason, so does the errors file, and the collection is as it was."""
    wayra_database.users.insert_many(users(2, 50))
    before = state(wayra_database, "users")
    path = write(tmp_path, "users.jsonl", [*users(5), document, *users(3, 10)])
    with pytest.raises(ImportFailedError, match="users is as it was") as caught:
        project.backups.import_collection(path, errors_file=tmp_path / "errors.jsonl")
    error = caught.value
    assert (error.file, error.line, error.column, error.rejected) == (str(path), 6, 1, 1)
    assert f"{path}:6:1: " in error.message
    assert reason in error.message
    assert "example.com" not in error.message
    assert error.errors_file == tmp_path / "errors.jsonl"
    (listed,) = map(json.loads, error.errors_file.read_text().splitlines())
    assert (listed["file"], listed["line"], listed["record"]) == (str(path), 6, 6)
    assert reason in listed["reason"]
    assert stat.S_IMODE(error.errors_file.stat().st_mode) == 0o600
    assert state(wayra_database, "users") == before
    assert leftovers(wayra_database) == []


def test_skip_imports_what_is_good(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """And tells what is not, each with its place."""
    wayra_database.users.insert_many(users(2, 50))
    path = write(tmp_path, "users.jsonl", [*users(5), *(document for _, document, _ in BAD)])
    path.write_text(path.read_text() + "no json\n")
    result = project.backups.import_collection(path, on_error="skip")
    assert (result.read, result.imported, result.rejected) == (11, 5, 6)
    assert wayra_database.users.count_documents({}) == 7
    assert sorted(one.line or 0 for one in result.first_rejects) == [6, 7, 8, 9, 10, 11]
    assert result.errors_file == project.settings.backups_dir / "users.jsonl.errors.jsonl"
    assert len(result.errors_file.read_text().splitlines()) == 6


@pytest.mark.parametrize("clear_existing", [True, False])
def test_a_dry_run_counts_and_touches_nothing(
    project: Project, wayra_database: Documents, tmp_path: Path, clear_existing: bool
) -> None:
    """The server judges in a temporary collection; with clear_existing what is there is no conflict."""
    wayra_database.users.insert_many(users(2, 50))
    before = state(wayra_database, "users")
    path = write(tmp_path, "users.jsonl", [*users(5), *(document for _, document, _ in BAD)])
    result = project.backups.import_collection(path, dry_run=True, clear_existing=clear_existing)
    assert result.dry_run
    assert (result.read, result.imported, result.rejected) == ((10, 7, 3) if clear_existing else (10, 5, 5))
    assert sum(result.reasons.values()) == result.rejected
    assert state(wayra_database, "users") == before
    assert leftovers(wayra_database) == []


def test_clear_existing_keeps_options_and_indexes(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """Everything but the documents: validator, collation, indexes of every kind."""
    old = wayra_database.create_collection(
        "places",
        collation={"locale": "de", "strength": 2},
        validator={"name": {"$type": "string"}},
        validationLevel="moderate",
        validationAction="warn",
    )
    old.create_indexes(
        [
            IndexModel([("name", 1)], unique=True, name="by_name"),
            IndexModel([("at", "2dsphere")]),
            IndexModel([("text", "text")], weights={"text": 3}, collation={"locale": "simple"}),
            IndexModel([("$**", 1)], wildcardProjection={"meta": 1}),
            IndexModel([("seen", 1)], expireAfterSeconds=10**8, partialFilterExpression={"seen": {"$exists": True}}),
            IndexModel([("h", "hashed")], collation={"locale": "simple"}),
        ]
    )
    old.insert_many([{"_id": 1, "name": "a"}, {"_id": 2, "name": "b"}])
    _, options, indexes = state(wayra_database, "places")
    project.backups.import_collection(write(tmp_path, "places.jsonl", [{"_id": 3, "name": "c"}]), clear_existing=True)
    documents, new_options, new_indexes = state(wayra_database, "places")
    assert (new_options, new_indexes) == (options, indexes)
    assert len(documents) == 1
    assert leftovers(wayra_database) == []


def test_a_capped_and_a_clustered_collection_are_replaced(
    project: Project, wayra_database: Documents, tmp_path: Path
) -> None:
    """They stay what they are."""
    wayra_database.create_collection("log", capped=True, size=100_000, max=100)
    wayra_database.create_collection("events", clusteredIndex={"key": {"_id": 1}, "unique": True})
    for name in ("log", "events"):
        wayra_database[name].insert_one({"_id": 9})
        _, options, _ = state(wayra_database, name)
        path = write(tmp_path, f"{name}.jsonl", [{"_id": 1}, {"_id": 2}])
        project.backups.import_collection(path, clear_existing=True)
        assert wayra_database[name].distinct("_id") == [1, 2]
        assert state(wayra_database, name)[1] == options
    with pytest.raises(BackupError, match="capped"):
        project.backups.import_collection(tmp_path / "log.jsonl")


def test_a_new_collection_is_made_as_declared(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """The file is the first that it sees; one that is not declared is a plain one."""
    wayra_database.users.drop()
    project.backups.import_collection(write(tmp_path, "users.jsonl", users(3)))
    assert set(wayra_database.users.index_information()) == {"_id_", "email_1", "age_1"}
    assert wayra_database.command("listCollections", filter={"name": "users"})["cursor"]["firstBatch"][0]["options"]
    project.backups.import_collection(write(tmp_path, "plain.jsonl", users(3)))
    assert wayra_database.plain.count_documents({}) == 3
    wayra_database.users.drop()
    with pytest.raises(ImportFailedError, match="missing email"):
        project.backups.import_collection(write(tmp_path, "users.jsonl", [{"_id": 1}]))
    assert "users" not in wayra_database.list_collection_names()


def test_views_and_time_series_are_not_replaced(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """The message says what works instead; skipping does for a time series."""
    wayra_database.create_collection("v", viewOn="users", pipeline=[])
    wayra_database.create_collection("ts", timeseries={"timeField": "at"})
    with pytest.raises(BackupError, match="view"):
        project.backups.import_collection(write(tmp_path, "v.jsonl", [{"_id": 1}]))
    path = tmp_path / "ts.jsonl"
    path.write_text('{"at": {"$date": "2026-01-01T00:00:00Z"}, "x": 1}\n{"x": 2}\n')
    for options in ({}, {"clear_existing": True}, {"mode": "upsert"}):
        with pytest.raises(BackupError, match="time series"):
            project.backups.import_collection(path, **options)
    assert project.backups.import_collection(path, dry_run=True).rejected == 1
    assert project.backups.import_collection(path, on_error="skip").imported == 1
    assert wayra_database.ts.count_documents({}) == 1


# --- import: into what is there ------------------------------------------------------------------------------------


def test_upsert_replaces_by_its_key(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """The _id that is there stays; what is new keeps its own."""
    wayra_database.users.insert_many(users(3))
    new = [
        {"email": "u1@example.com", "age": 70},
        {"_id": 9, "email": "new@example.com"},
        {"_id": 2, "email": "u2@example.com"},
    ]
    result = project.backups.import_collection(write(tmp_path, "users.jsonl", new), mode="upsert", key=["email"])
    assert (result.imported, result.rejected) == (3, 0)
    assert list(wayra_database.users.find(sort=[("_id", 1)])) == [
        *users(1),
        {"_id": 1, "email": "u1@example.com", "age": 70},
        {"_id": 2, "email": "u2@example.com"},
        {"_id": 9, "email": "new@example.com"},
    ]
    assert leftovers(wayra_database) == []


def test_merge_sets_fields(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """Fields that the file does not have stay; a part of a document needs no validator, the whole does."""
    wayra_database.users.insert_many(users(3))
    path = write(tmp_path, "users.jsonl", [{"_id": 1, "age": 70}, {"_id": 2, "city": "Cusco"}])
    project.backups.import_collection(path, mode="merge")
    one, two = users(2, 1)
    assert list(wayra_database.users.find({"_id": {"$gt": 0}})) == [{**one, "age": 70}, {**two, "city": "Cusco"}]
    before = state(wayra_database, "users")
    wrong: list[dict[str, Any]] = [{"_id": 1, "age": -5}, {"_id": 77, "age": 5}]
    for document in wrong:
        path = write(tmp_path, "users.jsonl", [{"_id": 2, "city": "Lima"}, document])
        with pytest.raises(ImportFailedError, match="the validator refuses the document that it would make") as caught:
            project.backups.import_collection(path, mode="merge")
        assert caught.value.line == 2
        assert state(wayra_database, "users") == before


@pytest.mark.parametrize("mode", ["upsert", "merge"])
def test_keys_that_are_twice_or_missing(project: Project, wayra_database: Documents, tmp_path: Path, mode: Any) -> None:
    """Each is named with its line; with skip the rest goes in."""
    wayra_database.users.insert_many(users(2))
    emails: list[dict[str, Any]] = [{"email": "u0@example.com"}, {}, {"email": "u0@example.com"}]
    documents = [{**one, "age": age} for age, one in enumerate(emails, 5)]
    path = write(tmp_path, "users.jsonl", documents)
    with pytest.raises(ImportFailedError, match="key field 'email' has no value") as caught:
        project.backups.import_collection(path, mode=mode, key=["email"])
    assert caught.value.line == 2
    result = project.backups.import_collection(path, mode=mode, key=["email"], on_error="skip")
    assert (result.imported, [one.line for one in result.first_rejects]) == (1, [2, 3])
    assert [one["age"] for one in wayra_database.users.find(sort=[("_id", 1)])] == [5, 1]


def test_upsert_meets_another_unique_key(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """Replacing by _id may take an email that another document has: known before anything is changed."""
    wayra_database.users.insert_many(users(3))
    before = state(wayra_database, "users")
    path = write(
        tmp_path,
        "users.jsonl",
        [{"_id": 1, "email": "u1@example.com", "age": 9}, {"_id": 2, "email": "u0@example.com"}],
    )
    with pytest.raises(ImportFailedError, match="same email") as caught:
        project.backups.import_collection(path, mode="upsert")
    assert caught.value.line == 2
    assert state(wayra_database, "users") == before
    result = project.backups.import_collection(path, mode="upsert", on_error="skip")
    assert (result.imported, result.rejected) == (1, 1)


def test_a_key_without_an_index_is_refused(project: Project, tmp_path: Path) -> None:
    """The declaration that would make it one is written out."""
    path = write(tmp_path, "users.jsonl", users(1))
    with pytest.raises(ConfigError, match="no unique index on age") as caught:
        project.backups.import_collection(path, mode="merge", key=["age"])
    assert 'IndexModel([("age", 1)], unique=True)' in caught.value.hint
    with pytest.raises(ConfigError, match="nothing to merge with"):
        project.backups.import_collection(path, mode="merge", clear_existing=True)


def test_a_key_with_a_collation(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """The collection's own is used: an email that differs in case is the same document. Another the server misses."""
    folded = {"locale": "en", "strength": 2}
    wayra_database.create_collection("mails", collation=folded)
    wayra_database.mails.create_index([("email", 1)], unique=True)
    wayra_database.letters.create_index([("email", 1)], unique=True, collation=folded)
    for name in ("mails", "letters"):
        wayra_database[name].insert_one({"_id": 1, "email": "Ada@example.com"})
        with pytest.raises(ImportFailedError, match="same email"):
            project.backups.import_collection(
                write(tmp_path, f"{name}.jsonl", [{"_id": 2, "email": "ADA@example.com"}])
            )
    path = write(tmp_path, "mails.jsonl", [{"email": "ada@EXAMPLE.com", "x": 1}])
    project.backups.import_collection(path, mode="upsert", key=["email"])
    assert list(wayra_database.mails.find()) == [{"_id": 1, "email": "ada@EXAMPLE.com", "x": 1}]
    with pytest.raises(ConfigError, match="no unique index on email") as caught:
        project.backups.import_collection(path, collection="letters", mode="upsert", key=["email"])
    assert "no collation of its own" in caught.value.hint


def test_a_compound_unique_index_and_a_partial_one(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """Only what the index really refuses is a conflict."""
    wayra_database.seats.create_indexes(
        [
            IndexModel([("flight", 1), ("seat", 1)], unique=True),
            IndexModel([("code", 1)], unique=True, partialFilterExpression={"active": True}),
        ]
    )
    wayra_database.seats.insert_many(
        [
            {"_id": 1, "flight": "A", "seat": 1, "code": "x", "active": False},
            {"_id": 2, "flight": "A", "seat": 2, "code": "y", "active": True},
        ]
    )
    good: list[dict[str, Any]] = [
        {"_id": 3, "flight": "A", "seat": 3, "code": "x", "active": True},
        {"_id": 4, "flight": "B", "seat": 1, "code": "y"},
    ]
    bad = [
        {"_id": 5, "flight": "A", "seat": 1, "code": "z"},
        {"_id": 6, "flight": "C", "seat": 1, "code": "y", "active": True},
    ]
    result = project.backups.import_collection(write(tmp_path, "seats.jsonl", [*good, *bad]), dry_run=True)
    assert [one.line for one in result.first_rejects] == [3, 4]
    assert project.backups.import_collection(write(tmp_path, "seats.jsonl", good)).imported == 2


def test_many_conflicts_are_all_told(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """Each by its line, more of them than go into one batch, and every second document is good."""
    wayra_database.users.insert_many([one for one in users(5000) if one["_id"] % 2])
    path = write(tmp_path, "users.jsonl", users(5000))
    result = project.backups.import_collection(path, dry_run=True)
    assert (result.imported, result.rejected) == (2500, 2500)
    assert result.errors_file is not None
    lines = [json.loads(line)["line"] for line in result.errors_file.read_text().splitlines()]
    assert lines == list(range(2, 5001, 2))
    assert leftovers(wayra_database) == []


def test_a_writer_in_between_undoes_an_insert(
    project: Project, wayra_database: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came after the last check is met by the merge; what it had inserted is taken out again, and nothing else."""
    from wayra_db.backups.transfer import staging

    real = staging._run

    def late(*arguments: Any, **options: Any) -> None:
        wayra_database.users.insert_one({"_id": 999, "email": "u40@example.com"})
        real(*arguments, **options)

    monkeypatch.setattr(staging, "_run", late)
    wayra_database.users.insert_many(users(3))
    with pytest.raises(ImportFailedError, match="it was undone as a whole"):
        project.backups.import_collection(write(tmp_path, "users.jsonl", users(50, 10)))
    assert wayra_database.users.distinct("_id") == [0, 1, 2, 999]
    assert leftovers(wayra_database) == []


# --- import: files as they come ------------------------------------------------------------------------------------

FILES: list[tuple[str, bytes, int, int | None, str]] = [
    ("cut.json", b'[{"_id":1,"email":"a"},{"_id":2', 1, 24, "does not end"),
    ("deep.jsonl", b'{"email":"a","x":' + b"[" * 300 + b"]" * 300 + b"}", 1, 1, "the server refuses it"),
    ("deeper.jsonl", b'{"email":"a","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", 1, 1, "nested too deeply"),
    ("big.jsonl", b'{"email":"' + b"x" * (17 << 20) + b'"}', 1, 1, "16,777,216 at most"),
    ("huge.jsonl", b'{"email":"a"}\n{"email":"b","n":' + b"9" * 30 + b"}", 2, 1, "beyond 64 bits"),
    ("latin.csv", "email\nm\xfcller\n".encode("latin-1"), 2, 2, "not UTF-8"),
    ("wide.jsonl", '{"email":"a"}'.encode("utf-16"), 1, 1, "UTF-16"),
    ("cut.jsonl.gz", b"\x1f\x8b\x08\x00", 0, None, "the packed file is cut"),
    ("cut.bson", bson.encode({"email": "a"})[:-2], 0, None, "cut"),
]


@pytest.mark.parametrize(("name", "data", "line", "column", "reason"), FILES, ids=[one[0] for one in FILES])
@pytest.mark.parametrize("clear_existing", [True, False])
def test_a_malformed_file_changes_nothing(
    project: Project,
    wayra_database: Documents,
    tmp_path: Path,
    name: str,
    data: bytes,
    line: int,
    column: int | None,
    reason: str,
    clear_existing: bool,
) -> None:
    """Each error names the file, the place, and what is wrong."""
    wayra_database.users.insert_many(users(3))
    before = state(wayra_database, "users")
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ImportFailedError, match="users is as it was") as caught:
        project.backups.import_collection(path, collection="users", clear_existing=clear_existing)
    assert reason in caught.value.message
    assert (caught.value.line, caught.value.column) == (line or None, column)
    assert state(wayra_database, "users") == before
    assert leftovers(wayra_database) == []


@pytest.mark.parametrize(
    ("name", "data"), [("e.json", b""), ("e.json", b"[]"), ("e.jsonl", b"\n"), ("e.bson", b""), ("e.csv", b"email\n")]
)
def test_an_empty_file_is_no_document(
    project: Project, wayra_database: Documents, tmp_path: Path, name: str, data: bytes
) -> None:
    """No mistake; with clear_existing the collection is empty afterwards."""
    wayra_database.users.insert_many(users(3))
    path = tmp_path / name
    path.write_bytes(data)
    assert project.backups.import_collection(path, collection="users").imported == 0
    assert wayra_database.users.count_documents({}) == 3
    assert project.backups.import_collection(path, collection="users", clear_existing=True).imported == 0
    assert wayra_database.users.count_documents({}) == 0


def test_documents_of_all_sizes_go_in_one_file(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """Up to the very limit; a batch is never more than the server takes."""
    largest = (16 << 20) - len(bson.encode({"_id": 1, "b": b""}))
    documents: list[dict[str, Any]] = [
        {"_id": 1, "b": b"x" * largest},
        {"_id": 2},
        {"_id": 3, "b": b"y" * (15 << 20)},
        {"_id": 4},
    ]
    path = tmp_path / "sizes.bson.zst"
    wayra_database.sizes.insert_many(documents)
    project.backups.export_collection("sizes", path=path)
    before = raws(wayra_database, "sizes")
    project.backups.import_collection(path, clear_existing=True)
    assert raws(wayra_database, "sizes") == before


def test_a_stream_needs_to_be_told(project: Project, wayra_database: Documents) -> None:
    """Its collection and its format; then it is read as a file is."""
    with pytest.raises(ConfigError, match="neither its collection nor its format"):
        project.backups.import_collection(io.BytesIO(b"{}"))
    result = project.backups.import_collection(io.BytesIO(b'{"a":1}'), collection="s", format="jsonl")
    assert (result.imported, result.file) == (1, "standard input")


def test_a_stop_leaves_the_collection_as_it_was(
    sandbox: Sandbox, project: Project, wayra_database: Documents, tmp_path: Path
) -> None:
    """Asked for at any batch, with all or nothing."""
    wayra_database.users.insert_many(users(3))
    before = state(wayra_database, "users")
    path = write(tmp_path, "users.jsonl", users(5000, 10))
    stop = Stop()
    with sandbox.open(stop=stop) as other:
        other._observer = lambda event: stop.request("test") if isinstance(event, Progress) else None
        for clear_existing in (True, False):
            with pytest.raises(CancelledError):
                other.backups.import_collection(path, clear_existing=clear_existing)
    assert state(wayra_database, "users") == before
    assert leftovers(wayra_database) == []


def test_the_audit_log_tells_of_an_import(project: Project, wayra_database: Documents, tmp_path: Path) -> None:
    """The file, the collection, how many; no document."""
    project.backups.import_collection(write(tmp_path, "users.jsonl", users(3)), clear_existing=True)
    found = [one for one in wayra_database["_wayra_log"].find(sort=[("_id", 1)]) if one["event"].startswith("import")]
    assert [one["event"] for one in found] == ["import started", "import finished"]
    assert (found[1]["file"], found[1]["collection"], found[1]["documents"]) == ("users.jsonl", "users", 3)


def test_an_export_writes_nothing_to_the_database(
    sandbox: Sandbox, wayra_server: ServerUnderTest, wayra_database: Documents
) -> None:
    """Reads never write: not even on a database that was never initialised."""
    wayra_database.trips.insert_one({"_id": 1})
    sandbox.write("collections/users.py", COLLECTIONS)
    with sandbox.open() as project:
        project.backups.export_collection("trips", path=io.BytesIO())
    assert wayra_database.list_collection_names() == ["trips"]
