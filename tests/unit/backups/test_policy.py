from __future__ import annotations

from typing import Any, get_args

import pytest

from wayra_db import Collection, Mask
from wayra_db.backups.manifest import Codec, LeftOut, Reason
from wayra_db.backups.policy import (
    SPARE_BYTES,
    Protection,
    decide_protection,
    masks_of,
    require_codec,
    require_space,
    select,
)
from wayra_db.environment import Environment
from wayra_db.errors import BackupError, ConfigError, RefusedError

DEVELOPMENT, TEST, PRODUCTION = Environment.DEVELOPMENT, Environment.TEST, Environment.PRODUCTION
TO = ("age1abc",)

PROTECTION = [
    # environment, reason, include_sensitive, plaintext, recipients -> redact, recipients, or an error
    (DEVELOPMENT, "manual", False, False, (), Protection(True)),
    (DEVELOPMENT, "manual", False, True, (), Protection(True)),
    (DEVELOPMENT, "manual", False, False, TO, Protection(True, TO)),
    (DEVELOPMENT, "manual", True, False, TO, Protection(False, TO)),
    (DEVELOPMENT, "manual", True, True, (), Protection(False)),
    (DEVELOPMENT, "manual", True, False, (), RefusedError),
    (DEVELOPMENT, "manual", True, True, TO, ConfigError),
    (TEST, "manual", True, True, (), Protection(False)),
    (DEVELOPMENT, "safety", False, False, (), Protection(False)),
    (DEVELOPMENT, "migration", False, False, TO, Protection(False, TO)),
    (PRODUCTION, "manual", False, False, (), Protection(True)),
    (PRODUCTION, "manual", True, False, TO, Protection(False, TO)),
    (PRODUCTION, "manual", True, False, (), RefusedError),
    (PRODUCTION, "manual", True, True, (), RefusedError),
    (PRODUCTION, "safety", False, False, (), RefusedError),
    (PRODUCTION, "safety", False, False, TO, Protection(False, TO)),
    (PRODUCTION, "migration", False, True, (), RefusedError),
]


@pytest.mark.parametrize(
    ("environment", "reason", "include_sensitive", "plaintext", "recipients", "expected"), PROTECTION
)
def test_protection(
    environment: Environment,
    reason: Reason,
    include_sensitive: bool,
    plaintext: bool,
    recipients: tuple[str, ...],
    expected: Any,
) -> None:
    """Sensitive fields leave a machine only encrypted; production's whole backups are, whatever they are for."""

    def decide() -> Protection:
        return decide_protection(
            environment=environment,
            reason=reason,
            include_sensitive=include_sensitive,
            plaintext=plaintext,
            recipients=recipients,
        )

    if isinstance(expected, Protection):
        assert decide() == expected
        return
    with pytest.raises(expected) as caught:
        decide()
    assert caught.value.hint


NAMES = ["_wayra_lock", "_wayra_meta", "logs", "trips", "users"]


@pytest.mark.parametrize(
    ("only", "exclude"), [(["users"], ["users"]), (None, NAMES), (["_wayra_lock"], ()), (None, NAMES[1:])]
)
def test_a_selection_of_nothing(only: list[str] | None, exclude: list[str]) -> None:
    """Is no backup: a mistake is told before it is relied on."""
    with pytest.raises(BackupError, match="nothing is left") as caught:
        select(NAMES, only=only, exclude=exclude)
    assert caught.value.hint
    assert select([], only=None, exclude=()).names == ()


@pytest.mark.parametrize(
    ("only", "exclude", "chosen"),
    [
        (None, (), ["_wayra_meta", "logs", "trips", "users"]),
        (["users"], (), ["users"]),
        (None, ["logs"], ["_wayra_meta", "trips", "users"]),
        (["users", "logs"], ["logs"], ["users"]),
    ],
)
def test_selection(only: list[str] | None, exclude: list[str], chosen: list[str]) -> None:
    """What is not chosen is left out with a reason, and everything is one or the other."""
    found = select(NAMES, only=only, exclude=exclude)
    assert list(found.names) == chosen
    assert sorted([*found.names, *(one.name for one in found.left_out)]) == NAMES
    assert all(one.reason for one in found.left_out)
    assert LeftOut("_wayra_lock", found.left_out[0].reason) in found.left_out


@pytest.mark.parametrize(("only", "exclude"), [(["user"], ()), (None, ["user"])])
def test_an_unknown_name(only: list[str] | None, exclude: list[str]) -> None:
    """Is refused with a guess, wherever it stands."""
    with pytest.raises(BackupError, match="no collection 'user'") as caught:
        select(NAMES, only=only, exclude=exclude)
    assert "users" in caught.value.hint


def test_masks_are_those_of_the_chosen() -> None:
    """And of those that declare any."""
    users = Collection("users", sensitive={"email": Mask.EMAIL})
    declared = [users, Collection("trips"), Collection("logs", sensitive={"x": Mask.TEXT})]
    assert masks_of(declared, ["users", "trips"]) == {"users": users.sensitive}


@pytest.mark.parametrize(
    ("codec", "level", "expected"),
    [("zstd", None, 3), ("zstd", 19, 19), ("gzip", None, 1), ("gzip", 0, 0), ("none", None, None)],
)
def test_levels(codec: Codec, level: int | None, expected: int | None) -> None:
    """The given one, or the codec's own."""
    assert require_codec(codec, level) == expected


@pytest.mark.parametrize(("codec", "level"), [("zstd", 0), ("zstd", 20), ("gzip", 4), ("none", 1), ("lz4", None)])
def test_levels_that_are_none(codec: Any, level: int | None) -> None:
    """An error that says which there are."""
    with pytest.raises(ConfigError):
        require_codec(codec, level)


def test_space() -> None:
    """Uncompressed documents take what they are; packed ones less."""
    size = 10**9
    for codec in get_args(Codec):
        require_space(size, codec, size + SPARE_BYTES, "there")
    with pytest.raises(BackupError, match="MB free; nothing was written"):
        require_space(size, "none", size, "there")
    require_space(size, "zstd", size, "there")
