"""A driver listener that keeps the commands that were sent."""

from __future__ import annotations

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

_LOGIN = frozenset({"authenticate", "saslContinue", "saslStart"})


class CommandCounter(CommandListener):
    """Counts the commands that a client sends: `MongoClient(uri, event_listeners=[counter])`.

    `names` are the commands in the order they were sent, `refused` those that the server refused. What a connection
    sends for itself is not among them: handshakes, logins, heartbeats.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.refused: list[str] = []

    @property
    def count(self) -> int:
        """How many commands were sent: the round trips."""
        return len(self.names)

    def clear(self) -> None:
        """Forget what was sent so far."""
        self.names.clear()
        self.refused.clear()

    def started(self, event: CommandStartedEvent) -> None:
        """Called by the driver before it sends a command."""
        if event.command_name not in _LOGIN:
            self.names.append(event.command_name)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Called by the driver after a command."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Called by the driver when the server refused a command."""
        self.refused.append(event.command_name)
