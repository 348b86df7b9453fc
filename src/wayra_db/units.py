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
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from wayra_db import audit
from wayra_db.errors import LockLostError, WayraError
from wayra_db.locking import Lease
from wayra_db.mongo import commands
from wayra_db.mongo.aio import LoopThread
from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import NO_SUCH_TRANSACTION, OPERATION_NOT_SUPPORTED_IN_TRANSACTION

if TYPE_CHECKING:
    from pymongo.asynchronous.client_session import AsyncClientSession
    from pymongo.client_session import ClientSession

# Called with the database and the transaction's session (None outside one); may return a coroutine.
Call = Callable[[Any, Any], Any]

# The audit log's event and the metadata writes for a unit that took so many seconds.
Outcome = Callable[[float], tuple[Mapping[str, Any], Sequence[commands.Command]]]

SWALLOWED_ATTEMPTS = 3

logger = logging.getLogger("wayra_db.units")


class SwallowedFailureError(WayraError):
    """A command inside the transaction failed and the unit went on as if it had not."""


class NotAwaitedError(WayraError):
    """A plain `def` returned a coroutine, so its work has not run."""


class _Attempt:
    """What the repeated runs of one atomic unit share; `entry` is the log entry of the last of them."""

    def __init__(self, lease: Lease, outcome: Outcome) -> None:
        self.entry: Mapping[str, Any] = {}
        self._lease = lease
        self._outcome = outcome
        self._number = 0
        self._started = 0.0

    def begin(self) -> None:
        """Before the unit is called: does the lease still hold?"""
        self._number += 1
        self._lease.check()
        self._started = time.monotonic()

    @contextmanager
    def recording(self) -> Iterator[Sequence[commands.Command]]:
        """After the unit has returned: the writes that record it, as the transaction's last."""
        event, metadata = self._outcome(time.monotonic() - self._started)
        self.entry = self._lease.entry(event)
        self._lease.check()
        try:
            yield [audit.append(self.entry), *metadata]
        except Exception as error:
            # The unit returned normally, yet its transaction is gone: a failed command aborted it and the unit caught
            # the error. The label says "transient", so the driver would repeat the unit for two minutes.
            if getattr(error, "code", None) == NO_SUCH_TRANSACTION and self._number >= SWALLOWED_ATTEMPTS:
                raise SwallowedFailureError(
                    "a command failed inside the transaction and its exception was swallowed; nothing was kept",
                    hint="Let the exception out, or set `transactional = False` if the failure is expected.",
                ) from error
            raise


class UnitRunner:
    """Runs units one after another under one lease; a context manager that ends its async thread."""

    def __init__(self, deployment: Deployment, lease: Lease) -> None:
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

    def run(self, call: Call, *, is_async: bool) -> None:
        """Run a unit outside any transaction. Raises whatever it raises."""
        self._lease.check()
        if is_async:
            self._thread.run(self._run_async(call))
        else:
            _finished(call(self._deployment.database, None))

    def run_atomic(self, call: Call, outcome: Outcome, *, is_async: bool) -> None:
        """Run a unit and record its outcome in one transaction; on any error nothing of either is left.

        The unit may be called more than once: the driver repeats it when the server aborts the transaction for a
        transient reason. Raises whatever the unit raises, LockLostError when the lock was lost meanwhile.
        """
        from pymongo.errors import DuplicateKeyError, PyMongoError

        attempt = _Attempt(self._lease, outcome)
        try:
            if is_async:
                self._thread.run(self._transact_async(call, attempt))
            else:
                self._transact(call, attempt)
        except DuplicateKeyError as error:
            if _is_log_conflict(error):
                self._lease.check()
                raise LockLostError(
                    "another runner has taken over; nothing of this unit was kept", epoch=self._lease.epoch
                ) from error
            raise
        except PyMongoError as error:
            unknown = error.has_error_label("UnknownTransactionCommitResult")
            if not (unknown and attempt.entry and self._lease.committed(attempt.entry)):
                raise
        self._lease.adopt(attempt.entry)

    def record_failure(self, event: Mapping[str, Any], record: commands.Command) -> None:
        """Record that a unit failed. When that is impossible it is logged: the unit's own error matters more.

        Without the record a unit that is not atomic stays as begun, which says the same.
        """
        try:
            self._lease.write(event, record)
        except WayraError as error:
            logger.warning("the failure could not be recorded: %s", error.message)

    def _transact(self, call: Call, attempt: _Attempt) -> None:
        session = self._lease.session
        if session is None:
            raise RuntimeError("atomic units need transactions")

        def body(session: ClientSession) -> None:
            attempt.begin()
            with session.bind(end_session=False):
                _finished(call(self._deployment.database, session))
            with attempt.recording() as record:
                commands.execute(self._deployment.metadata, record, session)

        session.with_transaction(body, **_transaction_options())

    async def _transact_async(self, call: Call, attempt: _Attempt) -> None:
        client = await self._thread.client()
        session = await self._thread.session()
        if not self._async_registered:
            self._lease.register_session(session.session_id)
            self._async_registered = True
        database = client[self._deployment.database_name]

        async def body(session: AsyncClientSession) -> None:
            attempt.begin()
            async with session.bind(end_session=False):
                await call(database, session)
            with attempt.recording() as record:
                await commands.execute_async(database, record, session)

        await session.with_transaction(body, **_transaction_options())

    async def _run_async(self, call: Call) -> None:
        client = await self._thread.client()
        await call(client[self._deployment.database_name], None)


def describe(error: BaseException, *, with_values: bool = True) -> str:
    """An exception in one line. `with_values` false leaves out a driver error's text, which may quote documents."""
    from pymongo.errors import OperationFailure, PyMongoError

    if not isinstance(error, PyMongoError):
        text = error.message if isinstance(error, WayraError) else f"{type(error).__name__}: {error}"
        return " ".join(text.split())
    code = f" (code {error.code})" if isinstance(error, OperationFailure) else ""
    if not with_values:
        return f"{type(error).__name__}{code}"
    said = (error.details or {}).get("errmsg") if isinstance(error, OperationFailure) else None
    return f"{type(error).__name__}{code}: {' '.join(str(said or error).split())[:500]}"


def advice(error: BaseException) -> str:
    """What to do about a unit's exception where it is known, else nothing."""
    if isinstance(error, WayraError):
        return error.hint
    if getattr(error, "code", None) == OPERATION_NOT_SUPPORTED_IN_TRANSACTION:
        return "Set `transactional = False` in the file, or move the operation to a file of its own."
    return ""


def _finished(result: Any) -> None:
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise NotAwaitedError(
            "the function returned a coroutine that nobody awaited, so its work has not run",
            hint="Write it with `async def`.",
        )


def _is_log_conflict(error: Exception) -> bool:
    details = getattr(error, "details", None) or {}
    return audit.COLLECTION in str(details.get("errmsg", ""))


def _transaction_options() -> dict[str, Any]:
    from pymongo import ReadPreference, WriteConcern
    from pymongo.read_concern import ReadConcern

    # `local` is the one read concern under which collections may be created inside (manual, Transactions).
    return {
        "read_concern": ReadConcern("local"),
        "write_concern": WriteConcern("majority"),
        "read_preference": ReadPreference.PRIMARY,
    }
