"""What asks a dashboard over HTTP, as a scraper or a page would."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from wayra_db.dashboard import Dashboard


@dataclass(frozen=True)
class Answer:
    """An answer; header names in lower case."""

    code: int
    headers: dict[str, str]
    body: str


def ask(server: Dashboard, path: str, *, token: bool = True, method: str = "GET", **headers: str) -> Answer:
    """One request; with the token as a bearer's unless told otherwise."""
    connection = http.client.HTTPConnection("127.0.0.1", server.access.port, timeout=60)
    try:
        sent = {"Authorization": f"Bearer {server.access.token}"} if token else {}
        connection.request(method, path, headers={**sent, **headers})
        response = connection.getresponse()
        body = response.read().decode()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
    finally:
        connection.close()


@contextmanager
def events(server: Dashboard) -> Iterator[Iterator[dict[str, Any]]]:
    """Within the block, the parts that a page is sent, as they come."""
    connection = http.client.HTTPConnection("127.0.0.1", server.access.port, timeout=60)
    try:
        connection.request("GET", "/events", headers={"Authorization": f"Bearer {server.access.token}"})
        response = connection.getresponse()
        assert response.status == 200
        assert response.getheader("Content-Type") == "text/event-stream; charset=utf-8"
        yield (json.loads(line[6:]) for line in response if line.startswith(b"data: "))
    finally:
        connection.close()


def parts(server: Dashboard, *names: str) -> dict[str, dict[str, Any]]:
    """The first reading of each of these parts."""
    found: dict[str, dict[str, Any]] = {}
    with events(server) as stream:
        while not found.keys() >= set(names):
            one = next(stream)
            found.setdefault(one["part"], one)
    return found
