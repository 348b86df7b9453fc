"""A database with a project's collections, indexes and test seeds, made once and put back after each test.

Putting back what a test has changed is quicker than making a copy for each: the server hashes its collections
(`dbHash`), and only those that differ are filled again, from documents that were kept as they came from the server.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bson.raw_bson import RawBSONDocument
    from pymongo.database import Database

    Documents = Database[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Collection:
    """A collection as it is to be: what `listCollections` says of it, its indexes, its documents, its hash."""

    listed: Mapping[str, Any]
    indexes: tuple[Mapping[str, Any], ...]
    documents: tuple[RawBSONDocument, ...]
    digest: str | None


class SeededDatabase:
    """What `seeded_database` gives: `database`, and `put_back`, to be called after whoever has used it."""

    def __init__(self, database: Documents) -> None:
        self.database = database
        self._kept = self._read()

    def put_back(self) -> tuple[str, ...]:
        """Make the database again as it was; returns the names of the collections that were made or filled again.

        A collection that was dropped, or whose options or indexes have changed, is made anew; one that was not there
        is dropped.
        """
        listed, digests = self._list(), self._digests()
        for name in listed.keys() - self._kept.keys():
            self.database.drop_collection(name)
        changed = []
        # A view comes last, behind what it looks at.
        for name, kept in sorted(self._kept.items(), key=lambda one: one[1].listed["type"] == "view"):
            if name not in listed or self._differs(name, listed[name]):
                self.database.drop_collection(name)
                self._create(name)
            elif kept.digest is None or digests.get(name) != kept.digest:
                if kept.listed["type"] == "view":
                    continue
                self._empty(name)
            else:
                continue
            if kept.documents:
                self.database[name].insert_many(kept.documents, bypass_document_validation=True)
            changed.append(name)
        if changed:
            self._kept = {name: self._as_live(name, kept) for name, kept in self._kept.items()}
        return tuple(changed)

    def _read(self) -> dict[str, _Collection]:
        from bson.codec_options import CodecOptions
        from bson.raw_bson import RawBSONDocument

        raw: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
        database: Database[RawBSONDocument] = self.database.with_options(codec_options=raw)
        digests = self._digests()
        kept = {}
        for name, listed in self._list().items():
            documents = () if listed["type"] == "view" else tuple(database[name].find(sort=[("$natural", 1)]))
            kept[name] = _Collection(listed, self._indexes(name, listed), documents, digests.get(name))
        return kept

    def _as_live(self, name: str, kept: _Collection) -> _Collection:
        """A collection that was made anew has another identity now."""
        listed = next(self.database.list_collections(filter={"name": name}))
        return _Collection(listed, kept.indexes, kept.documents, kept.digest)

    def _list(self) -> dict[str, Mapping[str, Any]]:
        return {one["name"]: one for one in self.database.list_collections() if not one["name"].startswith("system.")}

    def _digests(self) -> Mapping[str, str]:
        """The server's hashes; none where it has no such command, and then every collection is filled again."""
        from pymongo.errors import OperationFailure

        try:
            found: Mapping[str, str] = self.database.command("dbHash")["collections"]
        except OperationFailure:
            return {}
        return found

    def _indexes(self, name: str, listed: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        return () if listed["type"] == "view" else tuple(self.database[name].list_indexes())

    def _differs(self, name: str, listed: Mapping[str, Any]) -> bool:
        kept = self._kept[name]
        # The identity tells one that was dropped and made again, or renamed.
        same = listed.get("info") == kept.listed.get("info") and listed["options"] == kept.listed["options"]
        return not same or [*map(dict, self._indexes(name, listed))] != [*map(dict, kept.indexes)]

    def _create(self, name: str) -> None:
        kept = self._kept[name]
        self.database.command({"create": name, **kept.listed["options"]})
        indexes = [
            # An index without a collation would take the collection's.
            {"collation": {"locale": "simple"}, **{key: value for key, value in one.items() if key != "ns"}}
            for one in kept.indexes
            if one["name"] != "_id_" and not one.get("clustered")
        ]
        if indexes:
            self.database.command({"createIndexes": name, "indexes": indexes})

    def _empty(self, name: str) -> None:
        options = self._kept[name].listed["options"]
        if "capped" in options or "timeseries" in options:
            self.database.drop_collection(name)
            self._create(name)
        else:
            self.database[name].delete_many({})


@contextmanager
def seeded_database(
    project_folder: str | Path, uri: str, *, environ: Mapping[str, str] | None = None
) -> Iterator[SeededDatabase]:
    """A new database on `uri`, initialised and filled with the project's seeds for `test`; dropped after the block.

        with seeded_database(".", uri) as seeded:
            application(seeded.database)
            seeded.put_back()

    `environ` adds environment variables for the project. Its documents are kept in memory, so the seeds for tests
    should be small. Raises whatever `init` raises.
    """
    from pymongo import MongoClient

    from wayra_db.project import Project

    name = f"wayra_seeded_{secrets.token_hex(6)}"
    variables = {**(environ or {}), "MONGODB_URI": uri, "WAYRA_DATABASE": name, "WAYRA_ENV": "test"}
    if "PATH" in os.environ:
        variables.setdefault("PATH", os.environ["PATH"])
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    with client:
        try:
            with Project.open(project_folder, environ=variables, observer=lambda event: None) as project:
                project.initializer.run()
            yield SeededDatabase(client[name])
        finally:
            client.drop_database(name)
