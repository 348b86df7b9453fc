"""What a project says of the documents that are made up for it, beyond what its declarations say: one class a rule.

    rules = {
        "users": {"email": Numbered("{first_name}.{last_name}.{number}@example.org")},
        "trips": {"owner": Ref("users"), "collaborators": Length(0, 3), "budget.total": Normal(2500, 900)},
    }

Pure; a rule is a value and knows nothing of a schema.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of `values`, each as often as its weight says: a number for each, or "zipf", the first the most frequent."""

    values: Sequence[Any]
    weights: Sequence[float] | Literal["zipf"] | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """Words of a kind that wayra-db knows: `first_name`, `city`, ... (docs/reference/generated-data.md)."""

    name: str


@dataclass(frozen=True, slots=True)
class Faked:
    """`size` values of a Faker provider, as `Faked("company", locale="de_DE")`; needs the package Faker."""

    provider: str
    locale: str = "en_US"
    size: int = 1000


@dataclass(frozen=True, slots=True)
class Between:
    """A number or a moment from `low` to `high`, both included, each as likely as any other.

    Numbers are whole when both are. `low` and `high` are both numbers or both datetimes.
    """

    low: float | datetime
    high: float | datetime


@dataclass(frozen=True, slots=True)
class Normal:
    """A number around `mean`, two thirds within one `deviation`; never outside `low` and `high`."""

    mean: float
    deviation: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Zipf:
    """A whole number from `low` to `high`: few are frequent and most are rare, the more so the larger `exponent`."""

    low: int
    high: int
    exponent: float = 1.0


@dataclass(frozen=True, slots=True)
class After:
    """A moment up to `at_most` after the one in the field `path`, of the same object or of one around it."""

    path: str
    at_most: timedelta = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A number up to `at_most_more` above the one in the field `path`, of the same object or of one around it."""

    path: str
    at_most_more: float = 1000


@dataclass(frozen=True, slots=True)
class Ref:
    """The `_id` of a document of `collection`; within one document never the same one twice.

    `exponent` says how unevenly: 0 refers to each as often, and near 1 a few are referred to by most (Zipf's law).
    """

    collection: str
    exponent: float = 0.5


@dataclass(frozen=True, slots=True)
class Numbered:
    """A text with the document's number in it, which no other document has: `Numbered("{first_name}{number}@x.org")`.

    In braces stand `number`, once, and names of pools.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Length:
    """An array of `low` to `high` elements, short ones more often than long ones, each as the rule `of` says."""

    low: int
    high: int
    of: Rule | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What `function` returns for a Random that depends on seed, collection, number and field alone; slow, but free."""

    function: Callable[[Random], Any]


@dataclass(frozen=True, slots=True)
class Sometimes:
    """`rule`, or without one what the declaration says, in so large a `share` of the documents; else no such field."""

    share: float
    rule: Rule | None = None


Rule = OneOf | Pool | Faked | Between | Normal | Zipf | After | AtLeast | Ref | Numbered | Length | Made | Sometimes
