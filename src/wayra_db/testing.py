"""For the tests of wayra-db and of projects that use it: real servers, a pytest plugin, and listeners.

Installed with the package, the plugin gives pytest these fixtures; each starts its server when a test first asks:

| fixture | what | lives |
|---|---|---|
| `wayra_server` | a one-node replica set with failpoints; or the one that WAYRA_TEST_MONGODB_URI names | session |
| `wayra_database` | an empty database on it under a name of its own, dropped afterwards | test |
| `wayra_seeded` | a database with the project's collections, indexes and test seeds, put back after each test | test |
| `wayra_standalone` | a server that is no replica set | session |
| `wayra_three_nodes` | a replica set of three that elects within a second | test |
| `wayra_auth_server` | a one-node replica set that asks for a password | session |

With `--wayra-project PATH`, or the ini setting `wayra_project`, it also makes a test of each migration of a project:
up, down and up again. `check_migrations` does the same within a test of your own.

WAYRA_TEST_MONGOD names the mongod to start. A server's data lies in memory where there is room; the server ends with
the process that started it, however that dies, and its data goes with it. Importing this module imports neither pytest
nor the driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from wayra_db._lazy import lazily
from wayra_db.events import Event

if TYPE_CHECKING:
    from wayra_db._testing.deployment import ExternalServer, ServerUnderTest
    from wayra_db._testing.listeners import CommandCounter
    from wayra_db._testing.migrations import check_migrations
    from wayra_db._testing.seeded import SeededDatabase, seeded_database
    from wayra_db._testing.temporary import Node, TemporaryServer, temporary_server

__all__ = [
    "CommandCounter",
    "ExternalServer",
    "Node",
    "RecordingObserver",
    "SeededDatabase",
    "ServerUnderTest",
    "TemporaryServer",
    "check_migrations",
    "seeded_database",
    "temporary_server",
]

pytest_plugins = ["wayra_db._testing.fixtures", "wayra_db._testing.plugin"]

_E = TypeVar("_E", bound=Event)


class RecordingObserver:
    """An observer that keeps what it is told, in `events`."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)

    def of(self, kind: type[_E]) -> list[_E]:
        """The events of class `kind`, in order."""
        return [event for event in self.events if isinstance(event, kind)]


# Loaded when first asked for: pytest imports this module at every start of every project that has the package.
__getattr__ = lazily(
    __name__,
    {
        "CommandCounter": "wayra_db._testing.listeners",
        "ExternalServer": "wayra_db._testing.deployment",
        "Node": "wayra_db._testing.temporary",
        "SeededDatabase": "wayra_db._testing.seeded",
        "ServerUnderTest": "wayra_db._testing.deployment",
        "TemporaryServer": "wayra_db._testing.temporary",
        "check_migrations": "wayra_db._testing.migrations",
        "seeded_database": "wayra_db._testing.seeded",
        "temporary_server": "wayra_db._testing.temporary",
    },
)
