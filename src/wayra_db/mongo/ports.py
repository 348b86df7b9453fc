"""The same few requests on either driver, so that what is made of them is written once.

A method of an AsyncPort returns what is to be awaited; a SyncPort's returns the answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from wayra_db.mongo.commands import MAJORITY, any_date, end_transactions, transaction_options
from wayra_db.mongo.unawaited import Watch
from wayra_db.stopping import Stop

if TYPE_CHECKING:
    from pymongo.asynchronous.client_session import AsyncClientSession
    from pymongo.asynchronous.database import AsyncDatabase
    from pymongo.client_session import ClientSession
    from pymongo.database import Database

    from wayra_db.mongo.client import Document
    from wayra_db.mongo.tally import Counts

COMMIT_SECONDS = 30.0
COMMIT_PAUSE_SECONDS = 0.05

Reply = Mapping[str, Any]


class Port(Protocol):
    """Requests to one database, and at most one transaction at a time.

    `begin` binds the session: until `commit`, `abort` or `close`, what the user calls on `database` joins the
    transaction. `commit` repeats itself while its outcome is unknown, for at most half a minute;
    when it fails, nothing of the transaction is left open. `close` ends a
    transaction that is still open and may be called at any time. `counts` is what was written and not given up, `began`
    when the newest transaction was, by the monotonic clock; `watch` knows what the user has not awaited.
    """

    is_async: bool
    counts: Counts
    began: float
    watch: Watch

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    @property
    def database(self) -> Any:
        """The user's database."""

    def command(self, command: Reply) -> Reply | Awaitable[Reply]:
        """A command outside the transaction."""

    def write(self, command: Reply) -> Reply | Awaitable[Reply]:
        """A write outside the transaction that waits for the majority."""

    def admin(self, command: Reply) -> Reply | Awaitable[Reply]:
        """A command to the server."""

    def inside(self, command: Reply) -> Reply | Awaitable[Reply]:
        """A command in the transaction."""

    def begin(self) -> Awaitable[None] | None:
        """Start a transaction and bind it."""

    def commit(self) -> Awaitable[None] | None:
        """Unbind the transaction and commit it."""

    def abort(self) -> Awaitable[None] | None:
        """Unbind the transaction and give it up."""

    def sleep(self, seconds: float) -> Awaitable[None] | None:
        """Wait; a stop request ends the wait."""

    def close(self) -> Awaitable[None] | None:
        """Give up what is still open. Never raises for a transaction that the server has given up itself."""


class SyncPort:
    """A Port over PyMongo's synchronous driver."""

    is_async = False

    def __init__(
        self,
        database: Database[Document],
        session: ClientSession | None,
        stop: Stop,
        counts: Counts,
        watch: Watch | None = None,
    ) -> None:
        self.database = database
        self.counts = counts
        self.watch = watch or Watch()
        self.began = 0.0
        self._mark = counts.mark()
        self._session = session
        self._stop = stop
        self._binding: Any = None

    @property
    def in_transaction(self) -> bool:
        """As Port."""
        return self._session is not None and self._session.in_transaction

    def command(self, command: Reply) -> Reply:
        """As Port."""
        reply: Reply = self.database.command(dict(command), codec_options=any_date())
        return reply

    def write(self, command: Reply) -> Reply:
        """As Port."""
        return self.command({**command, "writeConcern": MAJORITY})

    def admin(self, command: Reply) -> Reply:
        """As Port."""
        return self.database.client.admin.command(dict(command))

    def inside(self, command: Reply) -> Reply:
        """As Port."""
        return self.database.command(dict(command), session=self._session)

    def begin(self) -> None:
        """As Port."""
        session = self._open_session()
        self._mark, self.began = self.counts.mark(), time.monotonic()
        self.counts.refused = None
        session.start_transaction(**transaction_options())
        self._binding = session.bind(end_session=False)
        self._binding.__enter__()

    def commit(self) -> None:
        """As Port."""
        self._unbind()
        deadline = time.monotonic() + COMMIT_SECONDS
        while True:
            try:
                self._open_session().commit_transaction()
            except Exception as error:
                if not _is_unknown(error) or time.monotonic() > deadline:
                    self.counts.back_to(self._mark)
                    self._end()
                    raise
                time.sleep(COMMIT_PAUSE_SECONDS)
            else:
                return

    def _end(self) -> None:
        from pymongo.errors import PyMongoError

        with suppress(PyMongoError):
            self.admin(end_transactions(self._open_session().session_id))

    def abort(self) -> None:
        """As Port."""
        self._unbind()
        if self._session is not None and self._session.in_transaction:
            self.counts.back_to(self._mark)
            self._session.abort_transaction()

    def sleep(self, seconds: float) -> None:
        """As Port."""
        self._stop.wait(seconds)

    def close(self) -> None:
        """As Port."""
        self.abort()

    def _open_session(self) -> ClientSession:
        if self._session is None:
            raise RuntimeError("a transaction on a deployment without transactions")
        return self._session

    def _unbind(self) -> None:
        binding, self._binding = self._binding, None
        if binding is not None:
            binding.__exit__(None, None, None)


class AsyncPort:
    """A Port over PyMongo's asynchronous driver; used on the loop that its client belongs to."""

    is_async = True

    def __init__(
        self,
        database: AsyncDatabase[Document],
        session: AsyncClientSession | None,
        stop: Stop,
        counts: Counts,
        watch: Watch | None = None,
    ) -> None:
        self.database = database
        self.counts = counts
        self.watch = watch or Watch()
        self.began = 0.0
        self._mark = counts.mark()
        self._session = session
        self._stop = stop
        self._binding: Any = None

    @property
    def in_transaction(self) -> bool:
        """As Port."""
        return self._session is not None and self._session.in_transaction

    async def command(self, command: Reply) -> Reply:
        """As Port."""
        reply: Reply = await self.database.command(dict(command), codec_options=any_date())
        return reply

    async def write(self, command: Reply) -> Reply:
        """As Port."""
        return await self.command({**command, "writeConcern": MAJORITY})

    async def admin(self, command: Reply) -> Reply:
        """As Port."""
        return await self.database.client.admin.command(dict(command))

    async def inside(self, command: Reply) -> Reply:
        """As Port."""
        return await self.database.command(dict(command), session=self._session)

    async def begin(self) -> None:
        """As Port."""
        session = self._open_session()
        self._mark, self.began = self.counts.mark(), time.monotonic()
        self.counts.refused = None
        await session.start_transaction(**transaction_options())
        self._binding = session.bind(end_session=False)
        await self._binding.__aenter__()

    async def commit(self) -> None:
        """As Port."""
        await self._unbind()
        deadline = time.monotonic() + COMMIT_SECONDS
        while True:
            try:
                await self._open_session().commit_transaction()
            except Exception as error:
                if not _is_unknown(error) or time.monotonic() > deadline:
                    self.counts.back_to(self._mark)
                    await self._end()
                    raise
                await asyncio.sleep(COMMIT_PAUSE_SECONDS)
            else:
                return

    async def _end(self) -> None:
        from pymongo.errors import PyMongoError

        with suppress(PyMongoError):
            await self.admin(end_transactions(self._open_session().session_id))

    async def abort(self) -> None:
        """As Port."""
        await self._unbind()
        if self._session is not None and self._session.in_transaction:
            self.counts.back_to(self._mark)
            await self._session.abort_transaction()

    async def sleep(self, seconds: float) -> None:
        """As Port."""
        deadline = time.monotonic() + seconds
        while not self._stop.requested and (left := deadline - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.1))

    async def close(self) -> None:
        """As Port."""
        await self.abort()

    def _open_session(self) -> AsyncClientSession:
        if self._session is None:
            raise RuntimeError("a transaction on a deployment without transactions")
        return self._session

    async def _unbind(self) -> None:
        binding, self._binding = self._binding, None
        if binding is not None:
            # A loop that was left early is closed by the event loop, in a context of its own; the binding goes with
            # the unit's context then.
            with suppress(ValueError):
                await binding.__aexit__(None, None, None)


def _is_unknown(error: Exception) -> bool:
    from pymongo.errors import PyMongoError

    return isinstance(error, PyMongoError) and error.has_error_label("UnknownTransactionCommitResult")
