from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayra_db.dashboard.access import SECURITY_HEADERS, Access

ACCESS = Access("the-token", 8027)
HERE = "127.0.0.1:8027"


@pytest.mark.parametrize(
    ("headers", "query", "refusal"),
    [
        ({"Host": HERE}, "", HTTPStatus.UNAUTHORIZED),
        ({"Host": HERE}, "token=the-token", None),
        ({"Host": HERE}, "token=another", HTTPStatus.UNAUTHORIZED),
        ({"Host": HERE}, "token=", HTTPStatus.UNAUTHORIZED),
        ({"Host": HERE, "Cookie": "a=b; wayra_dashboard_8027=the-token"}, "", None),
        ({"Host": HERE, "Cookie": "wayra_dashboard_9000=the-token"}, "", HTTPStatus.UNAUTHORIZED),
        ({"Host": HERE, "Cookie": "wayra_dashboard_8027=the-toke"}, "", HTTPStatus.UNAUTHORIZED),
        ({"Host": HERE, "Cookie": "\x00=;;=\x7f"}, "", HTTPStatus.UNAUTHORIZED),
        ({"Host": HERE, "Authorization": "Bearer the-token"}, "", None),
        ({"Host": HERE, "Authorization": "bearer  the-token "}, "", None),
        ({"Host": HERE, "Authorization": "Basic the-token"}, "", HTTPStatus.UNAUTHORIZED),
        ({"Host": HERE, "Authorization": "Bearer ümlaut"}, "", HTTPStatus.UNAUTHORIZED),
        ({"Host": "localhost:8027"}, "token=the-token", None),
        ({"Host": "LOCALHOST:8027"}, "token=the-token", None),
        ({"Host": "[::1]:8027"}, "token=the-token", None),
        # A name of somebody's own that leads here, right token or not.
        ({"Host": "evil.example:8027"}, "token=the-token", HTTPStatus.MISDIRECTED_REQUEST),
        ({"Host": "127.0.0.1.evil.example:8027"}, "token=the-token", HTTPStatus.MISDIRECTED_REQUEST),
        ({"Host": "127.0.0.1"}, "token=the-token", HTTPStatus.MISDIRECTED_REQUEST),
        ({"Host": "127.0.0.1:80"}, "token=the-token", HTTPStatus.MISDIRECTED_REQUEST),
        ({}, "token=the-token", HTTPStatus.MISDIRECTED_REQUEST),
    ],
)
def test_who_is_let_in(headers: dict[str, str | None], query: str, refusal: HTTPStatus | None) -> None:
    """The right token by any of three ways, and a name of this machine."""
    assert ACCESS.refusal(headers, query) is refusal


@given(st.text(), st.text(), st.text())
def test_nobody_else_is(cookie: str, authorization: str, query: str) -> None:
    """Nothing that anybody can write down opens it, nor breaks it."""
    headers = {"Host": HERE, "Cookie": cookie, "Authorization": authorization}
    assert ACCESS.refusal(headers, query) is HTTPStatus.UNAUTHORIZED


def test_the_cookie() -> None:
    """No script reads it, no other site's page sends it, and that of another run has another name."""
    assert ACCESS.set_cookie() == "wayra_dashboard_8027=the-token; Path=/; HttpOnly; SameSite=Strict"
    assert Access("x", 1).cookie != ACCESS.cookie


def test_the_policy_names_no_other_host() -> None:
    """Scripts and styles of its own only, and none in a frame."""
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert {source for rule in policy.split("; ") for source in rule.split()[1:]} == {"'none'", "'self'"}
