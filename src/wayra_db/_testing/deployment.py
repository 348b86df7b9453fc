"""A deployment that tests run against: its address, clients for it, and faults to order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymongo import MongoClient

_SELECTION_MILLISECONDS = 10_000


class ServerUnderTest:
    """What every test server offers."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def client(self, **options: Any) -> MongoClient[dict[str, Any]]:
        """A new driver client, which the caller closes; `options` are MongoClient's."""
        from pymongo import MongoClient

        return MongoClient(self.uri, **{"serverSelectionTimeoutMS": _SELECTION_MILLISECONDS, **options})

    @contextmanager
    def fail_command(
        self,
        *commands: str,
        error_code: int | None = None,
        error_labels: Sequence[str] = (),
        write_concern_error: dict[str, Any] | None = None,
        close_connection: bool = False,
        block_milliseconds: int | None = None,
        app_name: str | None = None,
        times: int | None = 1,
        skip: int = 0,
    ) -> Iterator[None]:
        """Let the server fail `commands` while the block runs; the server needs `enableTestCommands=1`.

        They are refused with `error_code`, or meet a `write_concern_error`, or a closed connection, or are only
        delayed. The first `skip` calls pass and then `times` fail (None: all). `app_name` spares other clients.
        """
        data: dict[str, Any] = {"failCommands": list(commands)}
        if error_code is not None:
            data["errorCode"] = error_code
        if error_labels:
            data["errorLabels"] = list(error_labels)
        if write_concern_error is not None:
            data["writeConcernError"] = write_concern_error
        if close_connection:
            data["closeConnection"] = True
        if block_milliseconds is not None:
            data |= {"blockConnection": True, "blockTimeMS": block_milliseconds}
        if app_name is not None:
            data["appName"] = app_name
        mode: str | dict[str, int] = "alwaysOn" if times is None else {"times": times}
        if skip:
            # The server has one counter: it can pass over some and then fail all, or fail some from the first.
            if times is not None:
                raise ValueError("with skip, times must be None")
            mode = {"skip": skip}
        with self.client() as client:
            client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": data})
            try:
                yield
            finally:
                client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


class ExternalServer(ServerUnderTest):
    """A deployment that somebody else runs."""
