"""Documents put into a collection by natural key, in batches: `ctx.upsert` and data files.

A batch costs one read of what is there, one of what was written last, and one write of each kind that is needed. New
documents come in as quickly as by a staging collection and `$merge`; changed ones take longer, since what was written
is remembered (`benchmarks/seed_upsert.py`). But `$merge` cannot run in a transaction, and cannot tell whose a value is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from wayra_db.mongo.tally import NOTED
from wayra_db.seeds import ledger
from wayra_db.seeds.merge import Merge, first, merge
from wayra_db.seeds.references import Reference, references_in, replaced
from wayra_db.seeds.results import Upserted
from wayra_db.seeds.run import SeedDataError, SeedRun, Steps
from wayra_db.seeds.values import NoKeyError, by_keys, comparable, elements, key_of, made_id

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions

BATCH = 1000

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """A document as it was given, and where: its place in the file it was read from, else its number."""

    document: Document
    number: int
    path: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        if self.path is None:
            return f"document {self.number}"
        return f"{self.path.name}:{self.line}" if self.line else f"document {self.number} of {self.path.name}"

    def wrong(self, message: str, hint: str = "") -> SeedDataError:
        """The error for this document."""
        return SeedDataError(f"{self}: {message}", path=self.path, line=self.line, hint=hint)


@dataclass(slots=True)
class _Row:
    """A document of a batch on its way: its key, what is in the database, what is to become of it."""

    given: Given
    document: dict[str, Any]
    key: tuple[Any, ...] = ()
    found_by: Hashable = None
    raw: bytes = b""
    live: bytes | None = None
    identifier: Any = None
    entry: Mapping[str, Any] | None = None
    merged: Merge | None = None


class Upsert:
    """One call: the documents of one collection, found by the fields of `key`."""

    def __init__(self, run: SeedRun, collection: str, key: Sequence[str], *, keep_edits: bool = True) -> None:
        from bson.codec_options import DatetimeConversion
        from bson.raw_bson import RawBSONDocument

        self._run = run
        self._collection = collection
        self._key = tuple(key)
        self._keep_edits = keep_edits
        self._fixed = frozenset({"_id", *(field for field in self._key if "." not in field)})
        self._options: CodecOptions[Any] = run.database[collection].codec_options
        self._raw: CodecOptions[Any] = self._options.with_options(
            document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_AUTO
        )
        self._seen: dict[int, Given] = {}
        self._resolved: dict[Hashable, Any] = {}

    def steps(self, documents: Iterable[Given], total: int | None = None) -> Steps[Upserted]:
        """Put the documents there, a batch at a time. Raises SeedDataError for one that cannot be."""
        counts, done = Upserted(), 0
        for batch in _batches(documents):
            self._run.check()
            counted = yield from self._batch(batch)
            self._run.count(self._collection, counted)
            counts, done = counts + counted, done + len(batch)
            if done > BATCH or len(batch) == BATCH:
                self._run.progress(self._collection, done, total)
        return counts

    def _batch(self, batch: Sequence[Given]) -> Steps[Upserted]:
        rows = [_Row(given, dict(given.document)) for given in batch]
        open_ = yield from self._resolve(rows)
        for row in rows:
            self._find_key(row)
        yield from self._read(rows)
        if open_:
            self._resolve_within(rows)
        for row in rows:
            self._decide(row)
        counts = Upserted(
            inserted=sum(row.live is None for row in rows),
            changed=sum(row.merged is not None and row.merged.changes for row in rows),
            kept=sum(row.merged is not None and bool(row.merged.kept) for row in rows),
            unchanged=sum(row.merged is not None and not row.merged.changes and not row.merged.kept for row in rows),
        )
        if self._run.write:
            yield from self._insert([row for row in rows if row.live is None])
            yield from self._update([row for row in rows if row.live is not None])
        return counts

    # --- references ------------------------------------------------------------------------------------------------

    def _resolve(self, rows: Sequence[_Row]) -> Steps[bool]:
        """Replace the references by what they stand for; returns whether some may be to documents of this batch."""
        wanted: dict[tuple[str, tuple[str, ...]], dict[Hashable, Reference]] = {}
        referring = [(row, found) for row in rows if (found := references_in(row.document))]
        for _, references_of_row in referring:
            for one in references_of_row:
                name = self._name(one)
                if name not in self._resolved:
                    wanted.setdefault((one.collection, one.fields), {})[name] = one
        for (collection, fields), references in wanted.items():
            yield from self._look_up(collection, fields, list(references.values()))
        missing = False
        for row, references_of_row in referring:
            for one in references_of_row:
                if self._name(one) not in self._resolved:
                    if one.collection != self._collection:
                        self._refuse_reference(row, one)
                    missing = True
            row.document = replaced(row.document, lambda one: self._resolved.get(self._name(one), one))
        return missing

    def _look_up(self, collection: str, fields: tuple[str, ...], references: Sequence[Reference]) -> Steps[None]:
        query = by_keys(fields, [one.values for one in references])
        projection = {"_id": True, **dict.fromkeys(fields, True)}
        found = (
            yield lambda database: (
                database.get_collection(collection, codec_options=self._raw)
                .find(query, projection, session=self._run.session)
                .to_list()
            )
        )
        for one in found:
            name = (collection, fields, comparable(key_of(one, fields), self._options))
            if name in self._resolved and self._resolved[name] != one["_id"]:
                shown = Reference(collection, tuple(zip(fields, key_of(one, fields), strict=True)))
                raise SeedDataError(f"{shown} is the key of more than one document")
            self._resolved[name] = one["_id"]

    def _resolve_within(self, rows: Sequence[_Row]) -> None:
        """Replace references to documents of the same batch, whose `_id`s are known now."""
        here = {row.found_by: row.identifier for row in rows}

        def find(row: _Row, one: Reference) -> Any:
            if one.fields == tuple(sorted(self._key)):
                values = dict(one.key)
                found = here.get(comparable([values[field] for field in self._key], self._options))
                if found is not None:
                    return found
            return self._refuse_reference(row, one)

        for row in rows:
            row.document = replaced(row.document, partial(find, row))

    def _refuse_reference(self, row: _Row, one: Reference) -> NoReturn:
        raise row.given.wrong(
            f"refers to {one}, which does not exist", "Seed it before: name the seed that makes it in `depends_on`."
        )

    def _name(self, one: Reference) -> Hashable:
        return (one.collection, one.fields, comparable(one.values, self._options))

    # --- what is there ---------------------------------------------------------------------------------------------

    def _find_key(self, row: _Row) -> None:
        try:
            row.key = key_of(row.document, self._key)
        except NoKeyError as error:
            raise row.given.wrong(str(error)) from error
        if any(isinstance(value, Reference) for value in row.key):
            raise row.given.wrong("its key refers to a document of the same call", "Seed that one in a call before.")
        try:
            row.found_by = comparable(row.key, self._options)
        except Exception as error:
            raise row.given.wrong(f"its key cannot be stored: {error}") from error
        earlier = self._seen.setdefault(hash(row.found_by), row.given)
        if earlier is not row.given:
            raise row.given.wrong(f"has the same key as {earlier}: {self._shown(row.key)}")

    def _read(self, rows: Sequence[_Row]) -> Steps[None]:
        query = by_keys(self._key, [row.key for row in rows])
        found = (
            yield lambda database: (
                database.get_collection(self._collection, codec_options=self._raw)
                .find(query, session=self._run.session)
                .to_list()
            )
        )
        by_key = {row.found_by: row for row in rows}
        for document in found:
            row = by_key.get(comparable(key_of(document, self._key), self._options))
            if row is None:
                continue  # equal to a key only by the collection's collation; the server will say so
            if row.live is not None:
                raise row.given.wrong(
                    f"{self._collection} holds more than one document with {self._shown(row.key)}",
                    f"Give {self._collection} a unique index on {', '.join(self._key)}.",
                )
            row.live, row.identifier = document.raw, document["_id"]
            if "_id" in row.document and row.document["_id"] != row.identifier:
                raise row.given.wrong(
                    f"{self._collection} holds {self._shown(row.key)} under another `_id`, which nothing can change",
                    "Leave `_id` out, or delete that document.",
                )
        for row in rows:
            if row.live is None:
                row.identifier = row.document.get("_id")
                if row.identifier is None:
                    row.identifier = made_id(self._collection, self._key, row.key, self._options)
        entries = [ledger.entry_id(self._run.name, self._collection, row.identifier) for row in rows]
        known = (
            yield lambda database: (
                self._run.ledger(database).find({"_id": {"$in": entries}}, session=self._run.session).to_list()
            )
        )
        by_id = {comparable([one["_id"]["id"]], self._options): one for one in known}
        for row in rows:
            row.entry = by_id.get(comparable([row.identifier], self._options))

    def _shown(self, key: Sequence[Any]) -> str:
        return ", ".join(f"{field} {value!r}" for field, value in zip(self._key, key, strict=True))

    # --- what becomes of it ----------------------------------------------------------------------------------------

    def _decide(self, row: _Row) -> None:
        import bson

        try:
            row.raw = bson.encode({**row.document, "_id": row.identifier}, codec_options=self._options)
        except (bson.errors.BSONError, TypeError, OverflowError, ValueError) as error:
            raise row.given.wrong(f"cannot be stored: {error}") from error
        if row.live is None:
            return
        remembered = ledger.fields_of(row.entry) if row.entry else {}
        row.merged = merge(
            elements(row.raw), elements(row.live), remembered, fixed=self._fixed, keep_edits=self._keep_edits
        )
        for name in (*row.merged.set, *row.merged.unset):
            if "." in name or name.startswith("$"):
                raise row.given.wrong(f"the field {name!r} cannot be changed by name, as it looks like an operator")

    def _insert(self, rows: Sequence[_Row]) -> Steps[None]:
        """The entry goes first: cut off in between, it is of a document that does not exist, which harms nothing."""
        from bson.raw_bson import RawBSONDocument

        if not rows:
            return
        stale = [row.entry["_id"] for row in rows if row.entry]
        if stale:
            yield lambda database: self._run.ledger(database).delete_many(
                {"_id": {"$in": stale}}, session=self._run.session
            )
        entries = [self._entry(row, first(elements(row.raw), fixed=self._fixed), made=True) for row in rows]
        yield lambda database: self._run.ledger(database).insert_many(entries, ordered=False, session=self._run.session)
        raws = [RawBSONDocument(row.raw) for row in rows]
        yield from self._write(
            rows,
            lambda database: database[self._collection].insert_many(
                raws, ordered=False, session=self._run.session, comment=NOTED
            ),
        )

    def _update(self, rows: Sequence[_Row]) -> Steps[None]:
        """The entry goes last: cut off in between, the document is as wanted, and the next run notes that."""
        from pymongo import UpdateOne

        changing = [row for row in rows if row.merged is not None and row.merged.changes]
        if changing:
            updates = [UpdateOne({"_id": row.identifier}, self._change(row)) for row in changing]
            yield from self._write(
                changing,
                lambda database: database[self._collection].bulk_write(
                    updates, ordered=False, session=self._run.session, comment=NOTED
                ),
            )
        noting = []
        for row in rows:
            if row.merged is not None and (row.entry is None or ledger.fields_of(row.entry) != row.merged.remember):
                made = bool(row.entry and row.entry["made"])
                noting.append(self._entry(row, row.merged.remember, made=made))
        if noting:
            yield from self._note(noting)

    def _note(self, entries: Sequence[Mapping[str, Any]]) -> Steps[None]:
        """Put entries in the place of those that there are. In a transaction they may be gone for a moment, and that
        takes the server half the time.
        """
        from pymongo import ReplaceOne

        if self._run.session is None:
            replacing = [ReplaceOne({"_id": entry["_id"]}, entry, upsert=True) for entry in entries]
            yield lambda database: self._run.ledger(database).bulk_write(replacing, ordered=False)
            return
        old = {"_id": {"$in": [entry["_id"] for entry in entries]}}
        yield lambda database: self._run.ledger(database).delete_many(old, session=self._run.session)
        yield lambda database: self._run.ledger(database).insert_many(entries, ordered=False, session=self._run.session)

    def _entry(self, row: _Row, fields: Mapping[str, int], *, made: bool) -> dict[str, Any]:
        return ledger.entry(self._run.name, self._collection, row.identifier, fields, made=made)

    def _change(self, row: _Row) -> dict[str, Any]:
        change: dict[str, Any] = {}
        if row.merged is not None and row.merged.set:
            change["$set"] = {name: row.document[name] for name in row.merged.set}
        if row.merged is not None and row.merged.unset:
            change["$unset"] = dict.fromkeys(row.merged.unset, "")
        return change

    def _write(self, rows: Sequence[_Row], request: Any) -> Steps[None]:
        """Send a write of one document each; a refusal names the document."""
        from pymongo.errors import BulkWriteError

        try:
            yield request
        except BulkWriteError as error:
            refused = (error.details or {}).get("writeErrors") or ()
            if not refused or error.has_error_label("TransientTransactionError"):
                raise
            row = rows[refused[0]["index"]]
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            raise row.given.wrong(
                f"{self._collection} refuses it (code {refused[0]['code']}): {_reason(refused[0])}{more}"
            ) from error


def _reason(refused: Mapping[str, Any]) -> str:
    """What the server says, and for a document that the validator refuses the rules that it breaks."""
    said = " ".join(str(refused.get("errmsg", "")).split())
    rules = refused.get("errInfo", {}).get("details", {}).get("schemaRulesNotSatisfied")
    return f"{said}: {rules}"[:600] if rules else said[:600]


def _batches(documents: Iterable[Given]) -> Iterator[list[Given]]:
    remaining = iter(documents)
    while batch := list(islice(remaining, BATCH)):
        yield batch
