"""Running a user's `up`, `down` or `seed` under a lease: in a transaction with its record, or honestly without one.

A unit is a `def` or `async def` function that takes a database. Atomic units run by the driver's `with_transaction`,
with the session bound so that the user's plain `db.users...` calls join it; the record and the audit log entry are the
last writes of the same transaction.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from wayra_db import audit, sourcefile
from wayra_db.errors import LockLostError, WayraError
from wayra_db.locking import Lease
from wayra_db.mongo import commands
from wayra_db.mongo.aio import LoopThread
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import (
    NO_SUCH_TRANSACTION,
    OPERATION_NOT_SUPPORTED_IN_TRANSACTION,
    TRANSACTION_OUTLIVED,
    translated,
)
from wayra_db.mongo.ports import AsyncPort, Port, SyncPort
from wayra_db.mongo.unawaited import NotAwaitedError, Watch, returned, watching
from wayra_db.stopping import Stop

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient
    from pymongo.asynchronous.client_session import AsyncClientSession
    from pymongo.client_session import ClientSession
    from pymongo.errors import PyMongoError

    from wayra_db.mongo.client import Document
    from wayra_db.mongo.tally import Counts

# Called with the database and the transaction's session (None outside one); may return a coroutine.
Call = Callable[[Any, Any], Any]

# Called with a port of the unit's own driver; may return a coroutine.
PortCall = Callable[[Port], Any]

# The audit log's events and the metadata writes for a unit that took so many seconds and wrote so many documents.
Written = Mapping[str, int]
Outcome = Callable[[float, Written], tuple[Sequence[Mapping[str, Any]], Sequence[commands.Command]]]

SWALLOWED_ATTEMPTS = 3
LONGEST_TEXT = 1000
DEFAULT_LIFETIME_SECONDS = 60

logger = logging.getLogger("wayra_db.units")


class SwallowedFailureError(WayraError):
    """A command inside the transaction failed and the unit went on as if it had not."""


class OutlivedTransactionError(WayraError):
    """The unit ran longer than the server lets a transaction live."""


class _Attempt:
    """What the repeated runs of one atomic unit share; `entry` is the newest log entry of the last of them."""

    def __init__(self, deployment: Deployment, lease: Lease, outcome: Outcome) -> None:
        self.entry: Mapping[str, Any] = {}
        self._deployment = deployment
        self._lease = lease
        self._outcome = outcome
        self._number = 0
        self._started = 0.0

    @contextmanager
    def running(self) -> Iterator[Counts]:
        """Around the unit: does the lease still hold, what does it write, and is it worth another try?"""
        self._number += 1
        self._lease.check()
        self._started = time.monotonic()
        with _counting(self._deployment) as counts:
            try:
                yield counts
            except Exception as error:
                self._refuse_in_vain(error, counts)
                raise

    @contextmanager
    def recording(self, counts: Counts) -> Iterator[Sequence[commands.Command]]:
        """After the unit has returned: the writes that record it, as the transaction's last."""
        events, metadata = self._outcome(time.monotonic() - self._started, counts.to_dict())
        entries = self._lease.entries(*events)
        self.entry = entries[-1]
        self._lease.check()
        try:
            yield [audit.append(*entries), *metadata]
        except Exception as error:
            self._refuse_in_vain(error, counts)
            if is_gone(error) and self._deployment.tally is None and self._number >= SWALLOWED_ATTEMPTS:
                raise swallowed("a command") from error
            raise

    def _refuse_in_vain(self, error: Exception, counts: Counts) -> None:
        """The transaction is gone. The error's label says "transient", and the driver would repeat the unit for two
        minutes; but a unit that swallowed a refusal, or that is too long, fails each time.
        """
        why = why_gone(self._deployment, error, counts, self._started)
        if why is not None:
            raise why from error


class UnitRunner:
    """Runs units one after another under one lease; a context manager that ends its async thread.

    `kept` is what the newest unit wrote and what stays of it, also when it raised.
    """

    def __init__(self, deployment: Deployment, lease: Lease) -> None:
        self.kept: Written = {}
        self._deployment = deployment
        self._lease = lease
        self._thread = LoopThread(deployment)
        self._async_registered = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.__exit__(kind, error, trace)

    def run(self, call: Call, *, is_async: bool) -> Written:
        """Run a unit outside any transaction; returns what it wrote. Raises whatever it raises."""
        self._lease.check()
        with self._keeping():
            if is_async:
                self._thread.run(self._run_async(call))
            else:
                with awaited():
                    finished(call(self._deployment.database, None))
        return self.kept

    def run_with_port(
        self, call: PortCall, *, is_async: bool, stop: Stop, again: Callable[[PyMongoError], bool]
    ) -> Written:
        """Run a unit that makes its own transactions by a Port; returns what it wrote and committed.

        It is called once more whenever `again` says so of a driver error. Raises whatever it raises, but an error that
        says why a transaction is gone where that is known.
        """
        from pymongo.errors import PyMongoError

        with self._keeping() as counts:
            while True:
                self._lease.check()
                try:
                    if is_async:
                        self._thread.run(self._with_async_port(call, stop, counts))
                    else:
                        self._with_port(call, stop, counts)
                except PyMongoError as error:
                    if not again(error):
                        raise
                else:
                    break
        return self.kept

    @contextmanager
    def _keeping(self) -> Iterator[Counts]:
        self.kept = {}
        with _counting(self._deployment) as counts:
            try:
                yield counts
            finally:
                self.kept = counts.to_dict()

    def _with_port(self, call: PortCall, stop: Stop, counts: Counts) -> None:
        with awaited() as watch:
            port = SyncPort(self._deployment.database, self._lease.session, stop, counts, watch)
            with self._explaining(port):
                try:
                    finished(call(port))
                finally:
                    port.close()

    @contextmanager
    def _explaining(self, port: Port) -> Iterator[None]:
        from pymongo.errors import PyMongoError

        try:
            yield
        except PyMongoError as error:
            why = why_gone(self._deployment, error, port.counts, port.began, in_batches=True)
            if why is not None:
                raise why from error
            raise

    def run_atomic(self, call: Call, outcome: Outcome, *, is_async: bool) -> None:
        """Run a unit and record its outcome in one transaction; on any error nothing of either is left.

        The unit may be called more than once: the driver repeats it when the server aborts the transaction for a
        transient reason. Raises whatever the unit raises, LockLostError when the lock was lost meanwhile.
        """
        from pymongo.errors import DuplicateKeyError, PyMongoError

        self.kept = {}
        attempt = _Attempt(self._deployment, self._lease, outcome)
        try:
            if is_async:
                self._thread.run(self._transact_async(call, attempt))
            else:
                self._transact(call, attempt)
        except DuplicateKeyError as error:
            if _is_log_conflict(error):
                self._lease.check()
                taken = "another runner has taken over; nothing of this unit was kept"
                raise self._lease.why_lost(LockLostError(taken, epoch=self._lease.epoch)) from error
            raise
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult") or not attempt.entry:
                raise
            with translated(self._deployment.address):  # what cannot be asked is unknown, and must not count as failed
                if not self._lease.committed(attempt.entry):
                    raise
        self._lease.adopt(attempt.entry)

    def written(self) -> Written:
        """What the unit that runs now has written so far; nothing is known of a caller's own client."""
        return self._deployment.tally.so_far() if self._deployment.tally else {}

    def record_failure(self, event: Mapping[str, Any], *records: commands.Command) -> None:
        """Record that a unit failed or stopped. When that is impossible it is logged: its own error matters more.

        Without the record a unit that is not atomic stays as begun, which says the same.
        """
        try:
            self._lease.write(event, *records)
        except WayraError as error:
            logger.warning("the failure could not be recorded: %s", error.message)

    def _transact(self, call: Call, attempt: _Attempt) -> None:
        session = self._lease.session
        if session is None:
            raise RuntimeError("atomic units need transactions")

        def body(session: ClientSession) -> None:
            with attempt.running() as counts, session.bind(end_session=False), awaited():
                finished(call(self._deployment.database, session))
            with attempt.recording(counts) as record:
                commands.execute(self._deployment.metadata, record, session)

        session.with_transaction(body, **commands.transaction_options())

    async def _transact_async(self, call: Call, attempt: _Attempt) -> None:
        from pymongo.errors import PyMongoError

        client, session = await self._async_session()
        database = client[self._deployment.database_name]

        async def body(session: AsyncClientSession) -> None:
            with attempt.running() as counts:
                async with session.bind(end_session=False):
                    with awaited():
                        finished(await call(database, session))
            with attempt.recording(counts) as record:
                await commands.execute_async(database, record, session)

        try:
            await session.with_transaction(body, **commands.transaction_options())
        except PyMongoError:
            # Its locks would hold up the record of its own failure, which is written in the other session.
            with suppress(PyMongoError):
                await client.admin.command(dict(commands.end_transactions(session.session_id)))
            raise

    async def _async_session(self) -> tuple[AsyncMongoClient[Document], AsyncClientSession]:
        """The thread's client and session; a successor finds the session's id in the lock."""
        client, session = await self._thread.client(), await self._thread.session()
        if not self._async_registered:
            self._lease.register_session(session.session_id)
            self._async_registered = True
        return client, session

    async def _with_async_port(self, call: PortCall, stop: Stop, counts: Counts) -> None:
        session: AsyncClientSession | None = None
        if self._deployment.capabilities.transactions:
            client, session = await self._async_session()
        else:
            client = await self._thread.client()
        with awaited() as watch:
            port = AsyncPort(client[self._deployment.database_name], session, stop, counts, watch)
            with self._explaining(port):
                try:
                    finished(await call(port))
                finally:
                    await port.close()

    async def _run_async(self, call: Call) -> None:
        client = await self._thread.client()
        with awaited():
            finished(await call(client[self._deployment.database_name], None))


def describe(error: BaseException, *, with_values: bool = True) -> str:
    """An exception in one line. `with_values` false leaves out a driver error's text, which may quote documents."""
    from pymongo.errors import OperationFailure, PyMongoError

    if not isinstance(error, PyMongoError):
        text = error.message if isinstance(error, WayraError) else f"{type(error).__name__}: {error}"
        return _shortened(text)
    code = f" (code {error.code})" if isinstance(error, OperationFailure) else ""
    if not with_values:
        return f"{type(error).__name__}{code}"
    said = (error.details or {}).get("errmsg") if isinstance(error, OperationFailure) else None
    return f"{type(error).__name__}{code}: {_shortened(str(said or error))}"


def _shortened(text: str) -> str:
    """On one line, and short enough to be stored and read whatever an exception holds."""
    line = " ".join(text[: 10 * LONGEST_TEXT].split())
    return line if len(line) <= LONGEST_TEXT else f"{line[:LONGEST_TEXT]}..."


def line_of(error: BaseException, path: Path) -> int | None:
    """The line of a unit's file that its exception is about, None where that is not known."""
    if isinstance(error, NotAwaitedError) and error.path is not None:
        return error.line if error.path.resolve() == path.resolve() else None
    return sourcefile.line_in(error, path)


def advice(error: BaseException) -> str:
    """What to do about a unit's exception where it is known, else nothing."""
    if isinstance(error, WayraError):
        return error.hint
    if getattr(error, "code", None) == OPERATION_NOT_SUPPORTED_IN_TRANSACTION:
        return "Set `transactional = False` in the file, or move the operation to a file of its own."
    return ""


@contextmanager
def _counting(deployment: Deployment) -> Iterator[Counts]:
    """What is written within the block; nothing is known of a caller's own client."""
    from wayra_db.mongo.tally import Counts

    if deployment.tally is None:
        yield Counts()
    else:
        with deployment.tally.counting() as counts:
            yield counts


def is_gone(error: Exception) -> bool:
    """Whether the server has given the transaction up."""
    return getattr(error, "code", None) in (NO_SUCH_TRANSACTION, TRANSACTION_OUTLIVED)


def why_gone(
    deployment: Deployment, error: Exception, counts: Counts, began: float, *, in_batches: bool = False
) -> WayraError | None:
    """Why the server has given up a transaction that began then, if it would each time; else None.

    The error's label often says "transient" all the same, and the driver would try for two minutes.
    """
    if not is_gone(error):
        return None
    if counts.refused is not None:
        return swallowed(f"`{counts.refused.command}` (code {counts.refused.code})", in_batches=in_batches)
    seconds = time.monotonic() - began
    lifetime = _lifetime_seconds(deployment)
    if seconds < lifetime and getattr(error, "code", None) != TRANSACTION_OUTLIVED:
        return None
    return OutlivedTransactionError(
        f"it ran longer than the {lifetime:g} s that the server lets a transaction live",
        hint="Make the batches smaller: `ctx.batches(..., size=...)`."
        if in_batches
        else "Go over the collection with `ctx.batches`, or set `transactional = False` in the file.",
    )


def _lifetime_seconds(deployment: Deployment) -> float:
    from pymongo.errors import PyMongoError

    try:
        reply = deployment.client.admin.command({"getParameter": 1, "transactionLifetimeLimitSeconds": 1})
    except PyMongoError:
        return DEFAULT_LIFETIME_SECONDS
    return float(reply["transactionLifetimeLimitSeconds"])


def swallowed(what: str, *, in_batches: bool = False) -> SwallowedFailureError:
    """The error for a refusal that the unit did not let out."""
    return SwallowedFailureError(
        f"{what} failed inside the transaction and its exception was swallowed",
        hint="Let the exception out; where the failure is to be expected, look before you write."
        if in_batches
        else "Let the exception out, or set `transactional = False` if the failure is expected.",
    )


@contextmanager
def awaited() -> Iterator[Watch]:
    """Around a unit: raise NotAwaitedError when it returns and has left something that it has not awaited."""
    with watching() as watch:
        yield watch
        watch.require_none()


def finished(result: Any) -> None:
    """Raise NotAwaitedError when what a unit returned is work that has not run."""
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise NotAwaitedError(
            "the function has a `yield`, so calling it has run nothing of it", hint="Take the `yield` out."
        )
    if inspect.isawaitable(result):
        raise returned(result)


def _is_log_conflict(error: Exception) -> bool:
    details = getattr(error, "details", None) or {}
    return audit.COLLECTION in str(details.get("errmsg", ""))
