"""What is made up for each field, as a tree of plain values: the plan that `plan` makes and `encode` compiles."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

NumberType = Literal["int", "long", "double", "decimal"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these values. Weighted ones stand in it more than once."""

    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Lattice:
    """The numbers `(low + k) * factor / scale` for a k from 0 to `steps`."""

    low: int
    steps: int
    scale: int = 1
    factor: int | float = 1

    def at(self, k: int) -> int | float:
        """The k-th of them."""
        value = (self.low + k) * self.factor
        return value / self.scale if self.scale != 1 else value

    def next_to(self, value: float) -> int:
        """The k of the smallest one that is not below `value`; that of the largest, where all are below it."""
        k = math.ceil(value * self.scale / self.factor) - self.low
        while k > 0 and self.at(k - 1) >= value:
            k -= 1
        while k < self.steps and self.at(max(k, 0)) < value:
            k += 1
        return min(max(k, 0), self.steps)

    def last_to(self, value: float) -> int:
        """The k of about the largest one that is not above `value`."""
        return min(math.floor(value * self.scale / self.factor) - self.low, self.steps)


@dataclass(frozen=True, slots=True)
class Number:
    """One of the numbers of a lattice."""

    kind: NumberType
    lattice: Lattice


@dataclass(frozen=True, slots=True)
class Moment:
    """A date from `low` to `high`, in milliseconds since 1970."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Later:
    """A date up to `span` milliseconds after that of another field."""

    path: str
    span: int


@dataclass(frozen=True, slots=True)
class More:
    """A number of a lattice from that of another field up to `span` more, as far as there are any."""

    path: str
    span: float
    kind: NumberType
    lattice: Lattice


@dataclass(frozen=True, slots=True)
class Reference:
    """The `_id` of a document of another collection; `serial` when no two documents may refer to the same one."""

    collection: str
    exponent: float
    serial: bool = False


@dataclass(frozen=True, slots=True)
class Serial:
    """The number of a lattice, or the date, that no other document has."""

    kind: NumberType | Literal["date"]
    lattice: Lattice

    @property
    def room(self) -> int:
        """How many different ones there are."""
        return self.lattice.steps + 1


@dataclass(frozen=True, slots=True)
class SerialText:
    """A text that no other document has, one character from each of `classes`."""

    classes: Sequence[str]

    @property
    def room(self) -> int:
        """How many different ones there are."""
        room = 1
        for letters in self.classes:
            room *= len(letters)
        return room


@dataclass(frozen=True, slots=True)
class SerialChoice:
    """A value that no other document has, out of a list."""

    values: Sequence[Any]

    @property
    def room(self) -> int:
        """How many there are."""
        return len(self.values)


@dataclass(frozen=True, slots=True)
class SerialBytes:
    """An ObjectId, or binary data of twelve bytes, that no other document has."""

    kind: Literal["objectId", "binData"]


@dataclass(frozen=True, slots=True)
class Template:
    """Texts around words of pools and, where a part is None, the number of the document."""

    parts: Sequence[str | Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Call:
    """What a user's function returns."""

    function: Callable[[Random], Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object, absent in all but a `share` of the objects."""

    name: str
    node: Node
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Object:
    """An object; of its fields that may be absent so many are there that it has `least` to `most`.

    With a field of the key of `together`, the fields of the value are there too.
    """

    fields: Sequence[Field]
    least: int = 0
    most: int | None = None
    together: Sequence[tuple[str, Sequence[str]]] = ()


@dataclass(frozen=True, slots=True)
class Array:
    """An array of `low` to as many elements as `positions` has nodes; with `distinct`, none is there twice."""

    positions: Sequence[Node]
    low: int
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class Mixed:
    """One of several nodes, each as often."""

    nodes: Sequence[Node]


Serials = Serial | SerialText | SerialChoice | SerialBytes | Template
Node = (
    Choice
    | Number
    | Moment
    | Later
    | More
    | Reference
    | Serial
    | SerialText
    | SerialChoice
    | SerialBytes
    | Template
    | Call
    | Object
    | Array
    | Mixed
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How the documents of one collection are made.

    `unique` are the fields that are made to differ; `limits` those of them of which there are only so many different
    values, and so only so many documents.
    """

    collection: str
    random_seed: int
    root: Node
    refers_to: frozenset[str]
    unique: frozenset[str]
    limits: Sequence[tuple[str, int]]

    @property
    def fingerprint(self) -> str:
        """Changes with whatever changes the documents, but for the text of a user's function."""
        said = (self.root, sorted(self.refers_to), sorted(self.unique), self.random_seed)
        return hashlib.blake2b(repr(said).encode(), digest_size=16).hexdigest()
