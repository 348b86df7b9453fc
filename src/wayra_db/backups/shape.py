"""Whether a parsed JSON document has the fields and types that were written down for it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Shape = Callable[[Any, str], str | None]
"""Looks at a value that stands at a place, like `collections[2].name`; says what is wrong, None when nothing is."""


@dataclass(frozen=True, slots=True)
class Each:
    """A list whose items all have one shape."""

    shape: Shape

    def __call__(self, value: Any, place: str) -> str | None:
        """What is wrong with the first item that does not fit."""
        if not isinstance(value, list):
            return f"{place} is no list"
        return _first(self.shape(item, f"{place}[{number}]") for number, item in enumerate(value))


@dataclass(frozen=True, slots=True)
class Map:
    """An object with any keys, whose values all have one shape."""

    shape: Shape

    def __call__(self, value: Any, place: str) -> str | None:
        """What is wrong with the first value that does not fit."""
        if not isinstance(value, dict):
            return f"{place} is no object"
        return _first(self.shape(item, f"{place}[{key!r}]") for key, item in value.items())


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with at least these fields; others are of a later version, and let be."""

    shapes: Mapping[str, Shape]

    def __call__(self, value: Any, place: str) -> str | None:
        """What is wrong with the first field that is missing or does not fit."""
        if not isinstance(value, dict):
            return f"{place or 'it'} is no object"
        prefix = f"{place}." if place else ""
        return _first(
            shape(value[key], f"{prefix}{key}") if key in value else f"{prefix}{key} is missing"
            for key, shape in self.shapes.items()
        )


def optional(shape: Shape) -> Shape:
    """That shape, or null."""
    return lambda value, place: None if value is None else shape(value, place)


def one_of(choices: Sequence[str]) -> Shape:
    """One of some words."""
    return lambda value, place: None if value in choices else f"{place} is none of {', '.join(choices)}"


def matching(pattern: str, words: str) -> Shape:
    """A text that a regular expression describes."""
    compiled = re.compile(pattern)
    return lambda value, place: (
        None if isinstance(value, str) and compiled.fullmatch(value) else f"{place} is not {words}"
    )


def text(value: Any, place: str) -> str | None:
    """Any text that can be written as UTF-8."""
    if not isinstance(value, str):
        return f"{place} is no text"
    return None if not any("\ud800" <= sign <= "\udfff" for sign in value) else f"{place} is no text in UTF-8"


def number(value: Any, place: str) -> str | None:
    """A whole number that is not negative."""
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
    return None if fits else f"{place} is no whole number of 0 or more"


def pair(value: Any, place: str) -> str | None:
    """A list of two whole numbers."""
    fits = isinstance(value, list) and len(value) == 2 and not any(number(one, "") for one in value)
    return None if fits else f"{place} is no pair of whole numbers"


def switch(value: Any, place: str) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else f"{place} is neither true nor false"


def anything(value: Any, place: str) -> str | None:
    """Any value."""
    return None


def moment(value: Any, place: str) -> str | None:
    """A time in ISO form, with its zone."""
    try:
        fits = datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        fits = False
    return None if fits else f"{place} is no time with a zone"


def _first(problems: Any) -> str | None:
    found: str | None = next((problem for problem in problems if problem is not None), None)
    return found
