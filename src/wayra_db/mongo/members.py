"""The members of a replica set one by one, over the client that is there: no second connection string, no second login.

What only one member knows (its profiler, its counters) is asked of each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from wayra_db.mongo.client import Deployment
from wayra_db.mongo.errors import translated

if TYPE_CHECKING:
    from pymongo.read_preferences import Nearest

T = TypeVar("T")

# How long a member may take to answer before it counts as out of reach; the driver's own wait is for elections.
PATIENCE_SECONDS = 3.0
ACQUAINTANCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Members:
    """The data-bearing members that serve reads; `unreachable` are those that could not be asked.

    On a sharded cluster nobody can be asked by name: `addresses` is then empty, and so is it on a standalone server.
    """

    addresses: tuple[str, ...]
    unreachable: tuple[str, ...] = ()


def find_members(deployment: Deployment, hello: Mapping[str, Any] | None = None) -> Members:
    """The members as the replica set itself has them now, without arbiters and hidden ones.

    One read, unless the caller has the server's `hello`.
    """
    if hello is None:
        with translated(deployment.address):
            hello = deployment.client.admin.command("hello")
    listed = (*hello.get("hosts", ()), *hello.get("passives", ()))
    if "setName" not in hello or not listed:
        return Members(())
    known = _known(deployment, listed)
    if len(listed) == 1 or not known & set(listed):
        # A direct connection goes to the one server that it names, by whatever name that is.
        own = str(hello.get("me", listed[0]))
        return Members((own,), tuple(address for address in listed if address != own))
    seen = tuple(address for address in listed if address in known)
    return Members(seen, tuple(address for address in listed if address not in known))


def _known(deployment: Deployment, listed: Sequence[str]) -> set[str]:
    """The members that the client has met; one that has just connected is given a moment to meet them all."""
    deadline = time.monotonic() + ACQUAINTANCE_SECONDS
    while True:
        nodes = deployment.client.nodes
        known = {f"{host}:{port}" if port is not None else host for host, port in nodes}
        if known >= set(listed) or not known & set(listed) or time.monotonic() > deadline:
            return known
        time.sleep(0.01)


def ask_each(deployment: Deployment, members: Members, ask: Callable[[Any], T]) -> tuple[dict[str, T], Members]:
    """What `ask` returns for each member, given the read preference that reaches it, and the members as they answered.

    Where members cannot be told apart there is one answer, of "". A member that does not answer is unreachable; a
    refusal of the server is raised as WayraError.
    """
    from pymongo import ReadPreference, timeout
    from pymongo.errors import ConnectionFailure, ExecutionTimeout

    with translated(deployment.address):
        if not members.addresses:
            return {"": ask(ReadPreference.PRIMARY_PREFERRED)}, members
        answers: dict[str, T] = {}
        lost = list(members.unreachable)
        for address in members.addresses:
            try:
                with timeout(PATIENCE_SECONDS):
                    answers[address] = ask(reads_from(address))
            except (ConnectionFailure, ExecutionTimeout):
                lost.append(address)
    return answers, Members(tuple(answers), tuple(lost))


def reads_from(address: str) -> Nearest:
    """A read preference for one member and no other."""
    return _preference()(address)


@cache
def _preference() -> Callable[[str], Nearest]:
    from pymongo.read_preferences import Nearest
    from pymongo.server_selectors import Selection

    class ReadsFrom(Nearest):
        """`nearest` to the server, one member to the driver."""

        __slots__ = ("_address",)

        def __init__(self, address: str) -> None:
            super().__init__()
            host, _, port = address.rpartition(":")
            self._address = (host.strip("[]"), int(port)) if port.isdigit() else (address, None)

        def __call__(self, selection: Selection) -> Selection:
            wanted = [one for one in selection.server_descriptions if one.address == self._address]
            return selection.with_server_descriptions(wanted)

    return ReadsFrom
