"""Puts made-up documents into their collection, batch by batch: those that are there already stay as they are.

Which ones a seed makes is noted before they are written, so that `seed clear` finds them after a kill as well; a note
of a document that was not written harms nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wayra_db.mongo.tally import NOTED
from wayra_db.seeds import ledger
from wayra_db.seeds.generate.identity import made_id
from wayra_db.seeds.run import SeedDataError, SeedRun, Steps

if TYPE_CHECKING:
    from bson.raw_bson import RawBSONDocument

# So many documents are looked for and noted at a time: a note waits for the majority, and every answer for its turn
# in a process that makes documents meanwhile.
_AHEAD = 10_000
_LARGEST_RUN = 16_000_000


@dataclass(frozen=True, slots=True)
class Writing:
    """The documents `first` to `last` of a collection. `own_ids` when their `_id`s follow from their numbers."""

    collection: str
    random_seed: int
    first: int
    last: int
    own_ids: bool


def write_steps(run: SeedRun, writing: Writing, batches: Iterator[tuple[int, list[bytes]]]) -> Steps[int]:
    """Write what is not there; returns how many that were. Raises SeedDataError for a document that is refused."""
    made = done = 0
    seen_to, some_there = writing.first - 1, True
    for first, documents in batches:
        run.check()
        if not writing.own_ids:
            ids = [_raw(one)["_id"] for one in documents]
            there = yield from _those_there(run, writing.collection, {"$in": ids})
            yield from note_steps(run, writing.collection, ids)
        else:
            if first > seen_to:
                seen_to = min(first + _AHEAD - 1, writing.last)
                one = yield from _those_there(run, writing.collection, _range(writing, first, seen_to), limit=1)
                some_there = bool(one)
                yield from note_steps(run, writing.collection, _ids(writing, first, seen_to))
            last = first + len(documents) - 1
            ids, there = _ids(writing, first, last) if some_there else [], set()
            if some_there:
                there = yield from _those_there(run, writing.collection, _range(writing, first, last))
        missing = [(first + at, one) for at, one in enumerate(documents) if not there or ids[at] not in there]
        yield from _insert(run, writing.collection, missing)
        made, done = made + len(missing), done + len(documents)
        run.progress(writing.collection, writing.first - 1 + done, writing.last)
    return made


def _ids(writing: Writing, first: int, last: int) -> list[Any]:
    return [made_id(writing.random_seed, writing.collection, number) for number in range(first, last + 1)]


def _range(writing: Writing, first: int, last: int) -> dict[str, Any]:
    """A query for the `_id`s of neighbours, which lie side by side in the index."""
    ends = (made_id(writing.random_seed, writing.collection, number) for number in (first, last))
    return dict(zip(("$gte", "$lte"), ends, strict=True))


def _those_there(run: SeedRun, collection: str, wanted: Mapping[str, Any], limit: int = 0) -> Steps[set[Any]]:
    """The `_id`s that exist; of so many at the most, where a limit is given."""
    found = (
        yield lambda database: (
            database[collection].find({"_id": wanted}, {"_id": True}, limit=limit, session=run.session).to_list()
        )
    )
    return {one["_id"] for one in found}


def note_steps(run: SeedRun, collection: str, ids: Sequence[Any]) -> Steps[None]:
    """Note documents as the seed's own, by their ids."""
    from pymongo import ReplaceOne

    entries = ledger.entries_of(run.name, collection, ids)
    notes = [ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in entries]
    yield lambda database: run.ledger(database).bulk_write(notes, ordered=False, session=run.session)


def _insert(run: SeedRun, collection: str, documents: Sequence[tuple[int, bytes]]) -> Steps[None]:
    from pymongo.errors import BulkWriteError

    for some in _runs(documents):
        if run.session is not None:
            # A refused document ends the transaction, so it has to be known at the first try.
            yield from _insert_each(run, collection, some)
            continue
        try:
            yield from _insert_run(collection, [one for _, one in some])
        except (BulkWriteError, IndexError):
            yield from _insert_each(run, collection, some)


def _insert_run(collection: str, documents: Sequence[bytes]) -> Steps[None]:
    from pymongo import WriteConcern

    from wayra_db.mongo.document_run import DocumentRun

    # The record of the run waits for the majority, and so for all that was written before it.
    one = WriteConcern(w=1)
    data = DocumentRun(b"".join(documents))
    yield lambda database: database.get_collection(collection, write_concern=one).insert_many(
        [data], ordered=False, comment=NOTED
    )


def _insert_each(run: SeedRun, collection: str, documents: Sequence[tuple[int, bytes]]) -> Steps[None]:
    """One by one, as far as the server is concerned; those that an attempt before has written stay."""
    from pymongo.errors import BulkWriteError

    raws = [_raw(one) for _, one in documents]
    try:
        yield lambda database: database[collection].insert_many(raws, ordered=False, comment=NOTED, session=run.session)
    except BulkWriteError as error:
        if error.has_error_label("TransientTransactionError"):
            raise
        refused = [one for one in (error.details or {}).get("writeErrors", ()) if not _is_itself(one)]
        if not refused:
            return
        number = documents[refused[0]["index"]][0]
        more = f" (and {len(refused) - 1} more of its batch)" if len(refused) > 1 else ""
        code = refused[0]["code"]
        raise SeedDataError(
            f"{collection} refuses the made-up document {number} (code {code}): {_reason(refused[0])}{more}",
            hint=f"Give the field that is at fault a rule in generate.py. The document: wayra-db seed generate "
            f"{collection} --only {number}",
        ) from error


def _is_itself(refused: dict[str, Any]) -> bool:
    """Whether a document is refused because it is there, as one of the attempt before is."""
    return refused.get("code") == 11000 and list(refused.get("keyPattern", ())) == ["_id"]


def _reason(refused: dict[str, Any]) -> str:
    said = " ".join(str(refused.get("errmsg", "")).split())
    rules = refused.get("errInfo", {}).get("details", {}).get("schemaRulesNotSatisfied")
    return f"{said}: {rules}"[:600] if rules else said[:600]


def _runs(documents: Sequence[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    """Pieces that fit into a message."""
    some: list[tuple[int, bytes]] = []
    size = 0
    for number, one in documents:
        if some and size + len(one) > _LARGEST_RUN:
            yield some
            some, size = [], 0
        some.append((number, one))
        size += len(one)
    if some:
        yield some


def _raw(document: bytes) -> RawBSONDocument:
    from bson.raw_bson import RawBSONDocument

    return RawBSONDocument(document)
