"""The connection to a deployment: one PyMongo client, its database, and what the server can do."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wayra_db.errors import ConfigError, UnsupportedDeploymentError
from wayra_db.events import CommandSent, Notice, Observer, notify
from wayra_db.mongo.capabilities import Capabilities, decide
from wayra_db.mongo.errors import translated, unusable_tls_file, unusable_uri
from wayra_db.settings.uri import database_name_problem

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient, MongoClient
    from pymongo.database import Database
    from pymongo.monitoring import CommandListener

    from wayra_db.mongo.tally import WriteTally

Document = dict[str, Any]

OLDEST_SERVER = (4, 4)


class Deployment:
    """A MongoDB deployment and the database in it that is looked after.

    `client` belongs to the caller and is never closed here, unless it was made by `connect`. `address` is the URI
    without its password, for messages. `uri` and `options` are what async units connect with; a deployment made from a
    caller's own client has none, and then `async def` units are refused. `tally` counts what units write; a caller's
    client has none.
    """

    def __init__(
        self,
        client: MongoClient[Document],
        database_name: str,
        *,
        address: str = "the given client",
        uri: str | None = None,
        options: Mapping[str, Any] | None = None,
        tally: WriteTally | None = None,
        owned: bool = False,
    ) -> None:
        self.client = client
        self.database_name = database_name
        self.address = address
        self.tally = tally
        self._uri = uri
        self._options = dict(options or {})
        self._owned = owned

    def __repr__(self) -> str:
        return f"Deployment({self.address!r}, {self.database_name!r})"

    @property
    def uri(self) -> str | None:
        """What another process connects with; it holds the password, so it is never shown. None for a given client."""
        return self._uri

    def elsewhere(self, database_name: str) -> Deployment:
        """Another database of the same deployment, over the same client, which stays this one's to close."""
        return Deployment(
            self.client,
            database_name,
            address=self.address,
            uri=self._uri,
            options=self._options,
            tally=self.tally,
        )

    @property
    def database(self) -> Database[Document]:
        """The database for user data, with the client's own read and write concerns."""
        return self.client[self.database_name]

    @cached_property
    def metadata(self) -> Database[Document]:
        """The database for `_wayra_*` collections: majority writes, reads from the primary, whatever the URI says."""
        from bson.codec_options import CodecOptions
        from pymongo import ReadPreference, WriteConcern
        from pymongo.read_concern import ReadConcern

        return self.client.get_database(
            self.database_name,
            codec_options=CodecOptions(tz_aware=True),
            write_concern=WriteConcern("majority"),
            read_concern=ReadConcern("local"),
            read_preference=ReadPreference.PRIMARY,
        )

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the deployment can do; three reads at the first use, none later."""
        from pymongo.errors import OperationFailure

        with translated(self.address):
            admin = self.client.admin
            hello = admin.command("hello")
            build_info = admin.command("buildInfo")
            try:
                reply = admin.command({"getParameter": 1, "featureCompatibilityVersion": 1})
                fcv = reply["featureCompatibilityVersion"]["version"]
            except OperationFailure:
                fcv = None
        found = decide(hello, build_info, fcv)
        if found.server_version < OLDEST_SERVER:
            raise UnsupportedDeploymentError(
                f"MongoDB {found.version} is too old",
                needs=f"MongoDB {'.'.join(map(str, OLDEST_SERVER))} or newer",
                found=found.version,
                hint="Upgrade the server.",
            )
        return found

    def async_client(self) -> AsyncMongoClient[Document]:
        """A new asynchronous client for the same deployment; the caller closes it. Raises without a URI."""
        if self._uri is None:
            raise UnsupportedDeploymentError(
                "an `async def` unit needs a connection of its own",
                needs="a MongoDB URI",
                found="a client given by the program",
                hint="Open the project by URI, or write the unit with `def`.",
            )
        from pymongo import AsyncMongoClient

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `connect` has said what there is to say of the URI
            return AsyncMongoClient(self._uri, **self._options)

    def beside(self, database_name: str) -> Deployment:
        """Another database on the same deployment, over the same client, which stays this one's.

        Raises ConfigError for a name that no database of ours can have.
        """
        if problem := database_name_problem(database_name):
            raise ConfigError(
                f"the database name {database_name!r} {problem}; nothing was touched", key="database.name"
            )
        return Deployment(
            self.client,
            database_name,
            address=self.address,
            uri=self._uri,
            options=self._options,
            tally=self.tally,
        )

    def close(self) -> None:
        """Close the client if it was made by `connect`."""
        if self._owned:
            self.client.close()


def connect(
    uri: str,
    database_name: str,
    *,
    address: str,
    server_selection_timeout_seconds: float,
    observer: Observer,
    debug: bool = False,
) -> Deployment:
    """Connect, and make sure that the server answers and accepts the credentials.

    Waits at most `server_selection_timeout_seconds` for a server. Raises ConnectionFailedError or
    AuthenticationError. With `debug`, each command is reported as a CommandSent event, without its values.
    """
    from wayra_db.mongo.tally import WriteTally

    tally = WriteTally()
    options: dict[str, Any] = {
        "serverSelectionTimeoutMS": int(server_selection_timeout_seconds * 1000),
        "connectTimeoutMS": int(server_selection_timeout_seconds * 1000),
        "appname": "wayra-db",
        "event_listeners": [tally, _command_listener(observer)] if debug else [tally],
    }
    with translated(address):
        client = _client(uri, address, observer, **options)
        deployment = Deployment(
            client, database_name, address=address, uri=uri, options=options, tally=tally, owned=True
        )
        try:
            client[database_name].command("ping")
        except BaseException:
            client.close()
            raise
    return deployment


def _client(uri: str, address: str, observer: Observer, **options: Any) -> MongoClient[Document]:
    """The driver's client. What the driver says of a URI may quote a piece of its password, so that is not repeated."""
    from pymongo import MongoClient

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            client: MongoClient[Document] = MongoClient(uri, **options)
        except OSError as error:  # no connection is made here: the driver reads the files that the URI names
            raise unusable_tls_file(error, address) from error
        except (ValueError, TypeError):
            raise unusable_uri("a host, a port or an option in it is malformed", address) from None
    if caught:
        text = "the MongoDB URI has options that are unknown or have impossible values; they do not count"
        notify(observer, Notice(text, "warning"))
    return client


def _command_listener(observer: Observer) -> CommandListener:
    from pymongo import monitoring

    class Listener(monitoring.CommandListener):
        """Reports commands by name and collection; their values are never looked at."""

        def __init__(self) -> None:
            self._targets: dict[int, str] = {}

        def started(self, event: monitoring.CommandStartedEvent) -> None:
            target = event.command.get(event.command_name)
            self._targets[event.request_id] = f"{event.database_name}.{target}" if isinstance(target, str) else ""

        def _ended(
            self, event: monitoring.CommandSucceededEvent | monitoring.CommandFailedEvent, succeeded: bool
        ) -> None:
            target = self._targets.pop(event.request_id, "")
            notify(observer, CommandSent(event.command_name, target, event.duration_micros / 1000, succeeded))

        def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
            self._ended(event, True)

        def failed(self, event: monitoring.CommandFailedEvent) -> None:
            self._ended(event, False)

    return Listener()
