"""One private thread with one event loop, on which `async def` migrations and seeds are really awaited.

A sync core that calls `asyncio.run` would refuse inside an application's running loop, and an AsyncMongoClient refuses
a second loop; one thread that lives as long as the run has neither problem.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from wayra_db.mongo.client import Deployment, Document

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient
    from pymongo.asynchronous.client_session import AsyncClientSession

T = TypeVar("T")


class LoopThread:
    """A context manager: the thread starts at the first `run` and has ended when the block is left.

    The AsyncMongoClient is created, used and closed on that thread.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: AsyncMongoClient[Document] | None = None
        self._session: AsyncClientSession | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is None or self._thread is None:
            return
        try:
            self.run(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the thread and wait for its result; an interrupt in the caller cancels it first."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="wayra-db-async", daemon=True)
            self._thread.start()
        future = asyncio.run_coroutine_threadsafe(_contained(work), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def client(self) -> AsyncMongoClient[Document]:
        """The thread's own client; only to be awaited on the thread."""
        if self._client is None:
            self._client = self._deployment.async_client()
            await self._client.aconnect()
        return self._client

    async def session(self) -> AsyncClientSession:
        """The one session of the thread's transactions."""
        if self._session is None:
            self._session = (await self.client()).start_session()
        return self._session

    async def _close(self) -> None:
        if self._session is not None:
            await self._session.end_session()
        if self._client is not None:
            await self._client.close()


async def _contained(work: Coroutine[Any, Any, T]) -> T:
    """An exit within the work would end the loop, and the thread that waits for the work would never hear of it."""
    try:
        return await work
    except SystemExit as error:
        raise RuntimeError(f"the function called exit({error.code!r})") from error
