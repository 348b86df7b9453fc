from __future__ import annotations

from typing import Any

import pytest

from wayra_db.cli._run import Run


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "wayra-db"),
        ({"json": True, "yes": True, "lock_timeout": 3.0, "debug": True}, "wayra-db"),
        ({"project": "shop"}, "wayra-db --project shop"),
        ({"project": "my shop"}, "wayra-db --project 'my shop'"),
        ({"env": "test", "database": "x"}, "wayra-db --env test --database x"),
        ({"mongod": "/opt/mongo db/mongod"}, "wayra-db --mongod '/opt/mongo db/mongod'"),
        ({"uri": "mongodb://host/x"}, "wayra-db --uri mongodb://host/x"),
        ({"uri": "mongodb://host/x?a=1&b=2"}, "wayra-db --uri 'mongodb://host/x?a=1&b=2'"),
        ({"uri": "mongodb://ada:hunter2@host/x"}, "wayra-db --uri 'mongodb://ada:***@host/x'"),
    ],
)
def test_how_to_call_it_again(given: dict[str, Any], expected: str) -> None:
    """With what says what is worked on, quoted for a shell; with no secret, and nothing that says only how."""
    run = Run({})
    run.given = given
    assert run.invocation == expected


@pytest.mark.parametrize(
    ("advice", "expected"),
    [
        ("wayra-db init", "wayra-db --env test init"),
        (
            "See `wayra-db status`, then `wayra-db init`.",
            "See `wayra-db --env test status`, then `wayra-db --env test init`.",
        ),
        ("Make one: wayra-db new PATH.", "Make one: wayra-db new PATH."),
        ("See `wayra-db migrate --help`.", "See `wayra-db migrate --help`."),
        ("a newer wayra-db wrote this", "a newer wayra-db wrote this"),
        ("in wayra-db.toml", "in wayra-db.toml"),
        ("in /opt/wayra-db status", "in /opt/wayra-db status"),
    ],
)
def test_advice_that_can_be_pasted(advice: str, expected: str) -> None:
    """Commands on this project, and nothing else that only looks like one."""
    run = Run({})
    run.given = {"env": "test"}
    assert run.pasteable(advice) == expected
