"""Dashboard: the page, its events, `/metrics` and `/healthz`, on loopback only."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from socketserver import TCPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from wayra_db.dashboard.access import SECURITY_HEADERS, Access
from wayra_db.dashboard.feed import Feed
from wayra_db.dashboard.findings import problems_of
from wayra_db.dashboard.parts import Parts
from wayra_db.errors import WayraError

if TYPE_CHECKING:
    from wayra_db.project import Project

LOOPBACK = "127.0.0.1"
# Each page that is open holds a thread; more than these are a mistake.
MOST_PAGES = 32
BEAT_SECONDS = 10.0
REQUEST_SECONDS = 30.0
FRESH_SECONDS = 5.0

_ASSETS: Mapping[str, tuple[str, str]] = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/panels.js": ("panels.js", "text/javascript; charset=utf-8"),
    "/charts.js": ("charts.js", "text/javascript; charset=utf-8"),
    "/dom.js": ("dom.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
# Goes on to the page without the token in its address. A redirect would not do: a browser that came from another site,
# such as a terminal in a page, sends no strict cookie along with it.
_ONWARD = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>wayra-db</title>
<link rel="icon" href="/icon.svg"><meta http-equiv="refresh" content="0;url=/">
<p><a href="/">To the dashboard</a></p></html>
"""


class Dashboard:
    """A server for one project; a context manager that ends it. `url` holds the token, and is for a person's eyes.

    Listens on 127.0.0.1 at `port`, 0 for any that is free. Raises WayraError where that is taken. Only reads, and
    only while a page is open or something is scraped.
    """

    def __init__(self, project: Project, *, port: int = 0, token: str | None = None) -> None:
        self.feed = Feed(Parts(project).all())
        try:
            self._http = _Server((LOOPBACK, port), _Handler)
        except OSError as error:
            raise WayraError(
                f"port {port} of {LOOPBACK} cannot be listened on: {error.strerror or error}",
                hint="Leave out --port for one that is free.",
            ) from error
        self.access = Access(token or secrets.token_urlsafe(32), self._http.server_address[1])
        self._http.access, self._http.feed = self.access, self.feed
        self._thread = threading.Thread(target=self._http.serve_forever, name="wayra-db-dashboard-http", daemon=True)

    @property
    def url(self) -> str:
        """What a person opens; the token in it opens everything."""
        return self.access.url

    def __enter__(self) -> Self:
        self.feed.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.feed.stop()
        self._http.shutdown()
        self._http.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # elsewhere that would share the port with another program
    access: Access
    feed: Feed

    def server_bind(self) -> None:
        """Bind, without asking for this machine's full name, which can take seconds where no name server answers."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is nothing to tell of."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "wayra-db"
    sys_version = ""
    timeout = REQUEST_SECONDS
    server: _Server

    def do_GET(self) -> None:
        """Answer, if the request may be answered."""
        asked = urlsplit(self.path)
        headers = {name: self.headers.get(name) for name in ("Host", "Cookie", "Authorization")}
        link = asked.query if asked.path == "/" else ""
        if refusal := self.server.access.refusal(headers, link):
            self._answer(
                refusal, f"{refusal.phrase}: open the address that `wayra-db dashboard` has printed.\n".encode()
            )
        elif link and self.server.access.came_by_link(link):
            self._answer(HTTPStatus.OK, _ONWARD, _ASSETS["/"][1], {"Set-Cookie": self.server.access.set_cookie()})
        elif asset := _ASSETS.get(asked.path):
            self._answer(HTTPStatus.OK, _asset(asset[0]), asset[1])
        elif asked.path == "/events":
            self._events()
        elif asked.path == "/healthz":
            self._health()
        elif asked.path == "/metrics":
            self._metrics()
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"There is no such page.\n")

    do_HEAD = do_GET

    def _events(self) -> None:
        feed = self.server.feed
        if feed.watched >= MOST_PAGES:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, b"Too many pages are open.\n")
            return
        self._head(HTTPStatus.OK, {"Content-Type": "text/event-stream; charset=utf-8", "Connection": "close"})
        self.close_connection = True
        if self.command == "HEAD":
            return
        with feed.subscribe() as subscription:
            self.wfile.write(b"retry: 2000\n\n")
            while (readings := subscription.get(BEAT_SECONDS)) is not None:
                for reading in readings:
                    text = json.dumps(reading.to_dict(), ensure_ascii=False, default=str)
                    self.wfile.write(f"id: {reading.part}.{reading.number}\ndata: {text}\n\n".encode())
                if not readings:
                    self.wfile.write(b": beat\n\n")  # tells us as well whether anybody is there
                self.wfile.flush()

    def _health(self) -> None:
        reading = self.server.feed.latest("status", at_most_seconds=FRESH_SECONDS)
        problems = [reading.error] if reading.error else problems_of(reading.data or {})
        code = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
        answer = {"status": "problem" if problems else "ok", "problems": problems}
        self._answer(code, json.dumps(answer).encode() + b"\n", "application/json")

    def _metrics(self) -> None:
        try:
            from wayra_db.dashboard.metrics import CONTENT_TYPE, render
        except ModuleNotFoundError:
            hint = b"This takes the package prometheus-client: pip install 'wayra-db[dashboard]'\n"
            self._answer(HTTPStatus.NOT_IMPLEMENTED, hint)
            return
        feed = self.server.feed
        readings = {part: feed.latest(part, at_most_seconds=FRESH_SECONDS) for part in _SCRAPED}
        self._answer(HTTPStatus.OK, render(readings), CONTENT_TYPE)

    def _answer(
        self,
        code: HTTPStatus,
        body: bytes,
        kind: str = "text/plain; charset=utf-8",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._head(code, {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, code: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.send_response(code)
        for name, value in {**SECURITY_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: addresses of requests hold the token."""


_SCRAPED = ("status", "live", "migrations", "work", "backups")


@cache
def _asset(name: str) -> bytes:
    return files("wayra_db.dashboard").joinpath("assets", name).read_bytes()
