"""Who may see the dashboard: whoever has the token of this run, asking by a name of this machine. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

# The page needs its own script, style, icon and events, and nothing from anywhere else.
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one server; `token` is made anew for each run."""

    token: str
    port: int

    @property
    def cookie(self) -> str:
        """The cookie's name. Browsers send a cookie to every port of a host, so that of another run is another."""
        return f"wayra_dashboard_{self.port}"

    @property
    def url(self) -> str:
        """What a person opens."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    def refusal(self, headers: Mapping[str, str | None], query: str = "") -> HTTPStatus | None:
        """Why a request gets nothing, None for one that is welcome.

        `headers` by their usual names. A page of another site whose name leads to this machine (DNS rebinding) is told
        by the name that it asks for. The token is taken from `Authorization: Bearer`, the cookie, or the `query`.
        """
        if (headers.get("Host") or "").lower() not in self._hosts():
            return HTTPStatus.MISDIRECTED_REQUEST
        given = (_bearer(headers.get("Authorization")), self._in_cookie(headers.get("Cookie")), _in_query(query))
        # All are compared, in the same time whatever they are.
        right = [hmac.compare_digest(one.encode(), self.token.encode()) for one in given]
        return None if any(right) else HTTPStatus.UNAUTHORIZED

    def came_by_link(self, query: str) -> bool:
        """Whether the token stands in the address, from where it is to go into the cookie."""
        return hmac.compare_digest(_in_query(query).encode(), self.token.encode())

    def set_cookie(self) -> str:
        """The header's value. No script can read the cookie, and no other site's page sends it."""
        return f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def _hosts(self) -> frozenset[str]:
        return frozenset(f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]"))

    def _in_cookie(self, header: str | None) -> str:
        try:
            found = SimpleCookie(header or "").get(self.cookie)
        except CookieError:
            return ""
        return found.value if found else ""


def _bearer(header: str | None) -> str:
    scheme, _, value = (header or "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _in_query(query: str) -> str:
    return (parse_qs(query).get("token") or [""])[0]
