"""Strings that a regular expression accepts, made from its parsed form. Pure.

A string is made as a *shape*, one set of characters for each of its places; all strings of a shape match. So a shape
also says how many different strings there are and which is the n-th, which is what unique fields are made of.
"""

from __future__ import annotations

import re
import string
import sys
import warnings
from collections.abc import Sequence
from random import Random

# What the standard library parses patterns with; there is no public way to its result.
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from wayra_db.seeds.generate.unsupported import UnsupportedError

Shape = list[str]

LETTERS = string.ascii_lowercase
# What `.`, `\S` and negated sets are filled from; plain characters first, so that texts stay readable.
_PLAIN = string.ascii_lowercase + string.digits + string.ascii_uppercase
_PRINTABLE = _PLAIN + "".join(sorted(set(string.printable) - set(_PLAIN) - set("\t\n\r\x0b\x0c")))
_CATEGORIES = {
    op.CATEGORY_DIGIT: string.digits,
    op.CATEGORY_WORD: _PLAIN + "_",
    op.CATEGORY_SPACE: " ",
    op.CATEGORY_NOT_DIGIT: "".join(letter for letter in _PRINTABLE if not letter.isdigit()),
    op.CATEGORY_NOT_WORD: "".join(letter for letter in _PRINTABLE if not letter.isalnum() and letter != "_"),
    op.CATEGORY_NOT_SPACE: _PRINTABLE.replace(" ", ""),
}
_TRIES = 3000


class Pattern:
    """A regular expression with bounds of length; `least` and `most` are counted in characters."""

    def __init__(self, pattern: str, least: int = 0, most: int | None = None) -> None:
        """Raises UnsupportedError for a part of it that strings cannot be made for."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                parsed: Any = parser.parse(pattern)
                self._parsed: list[Any] = list(parsed)
                self._compiled = re.compile(pattern)
        except (re.error, Warning, OverflowError, RecursionError) as error:
            raise UnsupportedError("pattern", f"{pattern!r} cannot be read here: {error}") from error
        self.text = pattern
        self.exact = True
        self._least = least
        self._most = sys.maxsize if most is None else most

    def shapes(self, chance: Random, wanted: int) -> list[Shape]:
        """Up to `wanted` shapes whose strings match and are as long as they have to be.

        Raises UnsupportedError when none is found.
        """
        found: list[Shape] = []
        for attempt in range(_TRIES):
            shape = self._shape(self._parsed, chance, _generosity(attempt, self._least, self._most))
            self._pad(shape, chance)
            if not self._least <= len(shape) <= self._most:
                continue
            sample = "".join(chance.choice(letters[:62] or letters) for letters in shape)
            if self._compiled.search(sample):
                found.append(shape)
                if len(found) == wanted:
                    break
        if not found:
            bounds = f" of {self._least} to {'any number of' if self._most == sys.maxsize else self._most} characters"
            raise UnsupportedError("pattern", f"no string{bounds} was found for {self.text!r}")
        return found

    def samples(self, chance: Random, wanted: int) -> list[str]:
        """Up to `wanted` different strings that match, in a fixed order for a fixed `chance`."""
        shapes = self.shapes(chance, min(wanted, 50))
        found: dict[str, None] = {}
        for attempt in range(wanted * 2):
            shape = shapes[attempt % len(shapes)]
            text = "".join(chance.choice(letters[:62] or letters) for letters in shape)
            if self._compiled.search(text):
                found[text] = None
            if len(found) == wanted:
                break
        return list(found)

    def widest(self, chance: Random, room: int) -> Shape:
        """A shape of at least `room` strings where there is one, else the one of most. All its strings match."""
        best: Shape = []
        best_room = 0
        for shape in self.shapes(chance, 400):
            found = _room(shape)
            # The largest, or of those that are large enough the shortest.
            if found > best_room if best_room < room else (found >= room and len(shape) < len(best)):
                best, best_room = shape, found
        if not self.exact:
            raise UnsupportedError("pattern", f"{self.text!r} looks ahead or behind, and the field must be unique")
        return best

    def _pad(self, shape: Shape, chance: Random) -> None:
        """A pattern without `^` may stand anywhere in the text, so letters may follow where more are needed."""
        if len(shape) < self._least and not _ends_fixed(self._parsed):
            shape.extend([LETTERS] * (self._least - len(shape)))
        elif len(shape) < self._least and not _begins_fixed(self._parsed):
            shape[:0] = [LETTERS] * (self._least - len(shape))

    def _shape(self, parsed: Sequence[Any], chance: Random, generosity: int) -> Shape:
        shape: Shape = []
        for name, value in parsed:
            if name is op.LITERAL:
                shape.append(chr(value))
            elif name is op.NOT_LITERAL:
                shape.append(_PRINTABLE.replace(chr(value), ""))
            elif name is op.ANY:
                shape.append(_PRINTABLE)
            elif name is op.IN:
                shape.append(self._letters(value))
            elif name is op.SUBPATTERN:
                if value[1] or value[2]:
                    raise UnsupportedError("pattern", f"{self.text!r} sets flags inside")
                shape.extend(self._shape(list(value[3]), chance, generosity))
            elif name is op.BRANCH:
                shape.extend(self._shape(list(chance.choice(value[1])), chance, generosity))
            elif name in (op.MAX_REPEAT, op.MIN_REPEAT):
                low, high, inner = value
                times = chance.randint(low, min(int(high), low + generosity))
                for _ in range(times):
                    shape.extend(self._shape(list(inner), chance, generosity))
            elif name is op.AT:
                if value in (op.AT_BOUNDARY, op.AT_NON_BOUNDARY):
                    self.exact = False
            elif name in (op.ASSERT, op.ASSERT_NOT):
                self.exact = self.exact and _holds_anyway(name, value)
            else:
                raise UnsupportedError("pattern", f"{self.text!r} uses {str(name).lower()}")
        return shape

    def _letters(self, members: Sequence[Any]) -> str:
        found: set[str] = set()
        negated = False
        for name, value in members:
            if name is op.NEGATE:
                negated = True
            elif name is op.LITERAL:
                found.add(chr(value))
            elif name is op.RANGE:
                # Enough of a wide range; all of it may be a million characters.
                found.update(chr(code) for code in range(value[0], min(value[1], value[0] + 500) + 1))
            elif name is op.CATEGORY and value in _CATEGORIES:
                found.update(_CATEGORIES[value])
            else:
                raise UnsupportedError("pattern", f"{self.text!r} uses {str(name).lower()} in a set")
        if negated:
            kept = "".join(letter for letter in _PRINTABLE if letter not in found)
            if not kept:
                raise UnsupportedError("pattern", f"{self.text!r} leaves out every printable character")
            return kept
        plain = "".join(letter for letter in _PRINTABLE if letter in found)
        return plain + "".join(sorted(found - set(_PRINTABLE)))


def nth(shape: Sequence[str], number: int) -> str:
    """The string of this number of a shape, counted from 0: as many as there are, no two the same."""
    letters = []
    for choices in reversed(shape):
        number, place = divmod(number, len(choices))
        letters.append(choices[place])
    return "".join(reversed(letters))


def _room(shape: Shape) -> int:
    room = 1
    for letters in shape:
        room *= len(letters)
    return room


def _holds_anyway(name: Any, value: Any) -> bool:
    """Whether it is `(?!\\n)`, by which a validator refuses a last line break: no string that is made here has one."""
    return name is op.ASSERT_NOT and value[0] == 1 and list(value[1]) == [(op.LITERAL, ord("\n"))]


def _generosity(attempt: int, least: int, most: int) -> int:
    """By how much a repetition may go beyond what it needs: short texts first, then longer ones to reach a length."""
    steps = (6, 3, 1, 0, 12, 24, max(least, 8), max(min(most, 200), 1), 2 * least + 1)
    return steps[attempt % len(steps)]


def _ends_fixed(parsed: Sequence[Any]) -> bool:
    return any(name is op.AT and value in (op.AT_END, op.AT_END_STRING) for name, value in _flat(parsed))


def _begins_fixed(parsed: Sequence[Any]) -> bool:
    return any(name is op.AT and value in (op.AT_BEGINNING, op.AT_BEGINNING_STRING) for name, value in _flat(parsed))


def _flat(parsed: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    for name, value in parsed:
        found.append((name, value))
        if name is op.SUBPATTERN:
            found.extend(_flat(list(value[3])))
        elif name is op.BRANCH:
            for branch in value[1]:
                found.extend(_flat(list(branch)))
        elif name in (op.MAX_REPEAT, op.MIN_REPEAT):
            found.extend(_flat(list(value[2])))
    return found
