"""Metadata writes as command documents, so that sync and async transactions send the very same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wayra_db.mongo.errors import DUPLICATE_KEY

if TYPE_CHECKING:
    from pymongo.asynchronous.client_session import AsyncClientSession
    from pymongo.asynchronous.database import AsyncDatabase
    from pymongo.client_session import ClientSession
    from pymongo.database import Database

    from wayra_db.mongo.client import Document

Command = Mapping[str, Any]

MAJORITY: Mapping[str, Any] = {"w": "majority"}


def insert(collection: str, *documents: Mapping[str, Any]) -> Command:
    """The command that inserts documents, in this order."""
    return {"insert": collection, "documents": list(documents)}


def replace(collection: str, key: Any, document: Mapping[str, Any]) -> Command:
    """The command that puts `document` in the place of the one whose _id is `key`, or inserts it."""
    return {"update": collection, "updates": [{"q": {"_id": key}, "u": {"_id": key, **document}, "upsert": True}]}


def together(commands: Sequence[Command]) -> Command:
    """Updates of one collection as one command, in their order."""
    (collection,) = {command["update"] for command in commands}
    return {"update": collection, "updates": [update for command in commands for update in command["updates"]]}


def execute(database: Database[Document], commands: Sequence[Command], session: ClientSession | None) -> None:
    """Send the commands in order; outside a transaction each waits for the majority. Raises on any refused write."""
    for command in commands:
        check(database.command(_with_concern(command, session), session=session))


async def execute_async(
    database: AsyncDatabase[Document], commands: Sequence[Command], session: AsyncClientSession | None
) -> None:
    """As `execute`, on an asynchronous database."""
    for command in commands:
        check(await database.command(_with_concern(command, session), session=session))


def _with_concern(command: Command, session: ClientSession | AsyncClientSession | None) -> dict[str, Any]:
    # A transaction takes its write concern at commit and refuses one on its parts.
    if session is not None and session.in_transaction:
        return dict(command)
    return {**command, "writeConcern": MAJORITY}


def check(reply: Mapping[str, Any]) -> None:
    """Raise what a write command reports inside an `ok: 1` reply, which the driver's `command` lets pass."""
    from pymongo.errors import DuplicateKeyError, WriteConcernError, WriteError

    if errors := reply.get("writeErrors"):
        first = errors[0]
        kind = DuplicateKeyError if first["code"] == DUPLICATE_KEY else WriteError
        raise kind(first.get("errmsg", "write refused"), first["code"], first)
    if concern := reply.get("writeConcernError"):
        raise WriteConcernError(concern.get("errmsg", "write concern failed"), concern.get("code"), concern)


def end_transactions(session_id: Mapping[str, Any]) -> Command:
    """The command that ends what a session has open on the server; for `admin`. After a commit that failed the driver
    offers no abort, and the transaction would hold its locks for a minute or more.
    """
    return {"killSessions": [{"id": session_id["id"]}]}


def transaction_options() -> dict[str, Any]:
    """How every transaction runs."""
    from pymongo import ReadPreference, WriteConcern
    from pymongo.read_concern import ReadConcern

    # `local` is the one read concern under which collections may be created inside (manual, Transactions).
    return {
        "read_concern": ReadConcern("local"),
        "write_concern": WriteConcern("majority"),
        "read_preference": ReadPreference.PRIMARY,
    }


def any_date() -> Any:
    """Dates outside Python's years come as numbers, and go back as they were."""
    from bson.codec_options import CodecOptions, DatetimeConversion

    return CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
