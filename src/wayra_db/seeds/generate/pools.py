"""Pools of words: those that come with wayra-db, or mimesis' in the languages that the project asks for, or Faker's.

A pool is read when it is first asked for. Which words there are depends on the project's file alone, never on what
happens to be installed.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

from wayra_db.errors import GenerateError
from wayra_db.seeds.generate.rules import Faked
from wayra_db.seeds.generate.words import WORDS

SIZE = 1000
_TRIES = 5
_SEED = 1

# mimesis' class and method for each pool; what is not here is in no language.
_MIMESIS = {
    "first_name": ("Person", "first_name"),
    "last_name": ("Person", "last_name"),
    "full_name": ("Person", "full_name"),
    "job": ("Person", "occupation"),
    "phone": ("Person", "phone_number"),
    "city": ("Address", "city"),
    "country": ("Address", "country"),
    "street": ("Address", "address"),
    "postcode": ("Address", "postal_code"),
    "company": ("Finance", "company"),
    "word": ("Text", "word"),
    "title": ("Text", "title"),
    "sentence": ("Text", "sentence"),
    "color": ("Text", "color"),
}


class Pools:
    """The pools of one project; `locales` are mimesis', as "es" or "pt-br", and none means wayra-db's own words."""

    def __init__(self, locales: Sequence[str] = ()) -> None:
        self._locales = tuple(locales)
        self._read: dict[Any, tuple[Any, ...]] = {}

    def words(self, name: str) -> tuple[str, ...]:
        """The words of a pool. Raises GenerateError for one that there is not, or whose package is not installed."""
        if name not in WORDS:
            near = difflib.get_close_matches(name, WORDS, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(WORDS)}."
            raise GenerateError(f"there is no pool {name!r}", hint=hint)
        if name not in self._read:
            if self._locales and name in _MIMESIS:
                self._read[name] = self._from_mimesis(*_MIMESIS[name])
            else:
                self._read[name] = tuple(WORDS[name])
        return self._read[name]

    def faked(self, rule: Faked) -> tuple[Any, ...]:
        """Values of a Faker provider. Raises GenerateError."""
        if rule not in self._read:
            self._read[rule] = _from_faker(rule)
        return self._read[rule]

    def _from_mimesis(self, kind: str, method: str) -> tuple[str, ...]:
        try:
            import mimesis
            from mimesis.locales import Locale
        except ImportError as error:
            raise GenerateError(
                f"`locales` asks for words of {', '.join(self._locales)}, and mimesis is not installed",
                hint="pip install 'wayra-db[generate]', or take `locales` out for wayra-db's own words.",
            ) from error
        found: dict[str, None] = {}
        for name in self._locales:
            try:
                locale = Locale(name)
            except ValueError as error:
                known = [one.value for one in Locale]
                near = difflib.get_close_matches(name, known, n=1)
                raise GenerateError(
                    f"mimesis has no locale {name!r}",
                    hint=f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(known)}.",
                ) from error
            provider = getattr(mimesis, kind)(locale=locale, seed=_SEED)
            found.update(dict.fromkeys(_different(getattr(provider, method), SIZE // len(self._locales))))
        return tuple(found)


def _from_faker(rule: Faked) -> tuple[Any, ...]:
    try:
        from faker import Faker
    except ImportError as error:
        raise GenerateError(
            "a rule takes words from Faker, which is not installed", hint="pip install faker"
        ) from error
    try:
        # Without weighting it is three times as quick; how often a value comes is for rules to say.
        fake = Faker(rule.locale, use_weighting=False)
        fake.seed_instance(_SEED)
        make = getattr(fake, rule.provider)
        return tuple(_different(make, rule.size))
    except (AttributeError, TypeError) as error:
        raise GenerateError(f"Faker cannot make {rule.provider!r} for {rule.locale!r}: {error}") from error


def _different(make: Callable[[], Any], wanted: int) -> list[Any]:
    """Up to `wanted` different values, in the order in which they came."""
    found: dict[str, Any] = {}
    for _ in range(wanted * _TRIES):
        value = make()
        found.setdefault(repr(value), value)
        if len(found) == wanted:
            break
    return list(found.values())
