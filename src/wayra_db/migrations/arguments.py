"""What a program hands to the manager, looked at before anything is read or locked. Pure."""

from __future__ import annotations

import math


def require_version(name: str, value: object) -> None:
    """Raise TypeError or ValueError unless `value` is None or can be a version."""
    _require_whole(name, value, "a version is a whole number from 1")


def require_count(name: str, value: object) -> None:
    """Raise TypeError or ValueError unless `value` is None or a number of things, at least one."""
    _require_whole(name, value, "it is a whole number from 1")


def require_duration(name: str, value: object) -> None:
    """Raise TypeError or ValueError unless `value` is None or a time in seconds that has a length."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}={value!r}: it is a number of seconds; None sets no limit")
    if not value > 0 or math.isinf(value):
        raise ValueError(f"{name}={value!r}: it is a number of seconds above 0; None sets no limit")


def _require_whole(name: str, value: object, said: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}={value!r}: {said}")
    if value < 1:
        raise ValueError(f"{name}={value!r}: {said}")
