"""Recorded operations grouped by shape: the same question with other values. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from wayra_db.indexes.advice.filters import Arm, arms_of, compares_text, redact, written
from wayra_db.indexes.advice.operations import Command, Operation

# Recorded queries of a shape that are kept to be replayed: the most costly ones.
MOST_EXAMPLES = 3
# Documents read beyond those returned, per execution, that are not worth an index.
SPARE_DOCUMENTS = 10


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked, without its values.

    `text` tells whether anything is asked that a collation orders. It and `arms`, whose lists of values differ in
    length, are of the widest query that was seen; two shapes are the same without them.
    """

    collection: str
    kind: str
    filter: str
    sort: tuple[tuple[str, int], ...]
    distinct: str
    limited: bool
    collation: str | None
    text: bool = field(compare=False)
    arms: tuple[Arm, ...] = field(compare=False)

    @property
    def points(self) -> int:
        """How many combinations of values its lists make, at most."""
        return max((arm.points for arm in self.arms), default=1)

    @property
    def id(self) -> str:
        """Eight hexadecimal digits, the same on each machine and day."""
        parts = [self.collection, self.kind, self.filter, self.sort, self.distinct, self.limited, self.collation]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]

    def __str__(self) -> str:
        parts = [f"{self.collection}.{self.kind} {self.filter}"]
        if self.distinct:
            parts.append(f"distinct {self.distinct}")
        if self.sort:
            parts.append("sort {" + ", ".join(f"{name}: {order}" for name, order in self.sort) + "}")
        if self.limited:
            parts.append("limit")
        if self.collation:
            parts.append("with collation")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Observed:
    """A shape and what its executions cost in all. `examples` hold recorded values and are never shown."""

    shape: Shape
    count: int
    milliseconds: float
    keys_examined: int
    documents_examined: int
    returned: int | None
    scans: int
    sorts: int
    plans: tuple[str, ...]
    latest: datetime | None
    examples: tuple[Command, ...] = field(default=(), repr=False)

    @property
    def wasted(self) -> int:
        """Documents that were read and not returned."""
        return max(0, self.documents_examined - (self.returned or 0))

    @property
    def weight(self) -> float:
        """What it cost: milliseconds, and a thousandth of one for each document read in vain, which counts where a
        clock of milliseconds says 0.
        """
        return self.milliseconds + self.wasted / 1000

    @property
    def is_well_served(self) -> bool:
        """Whether an index was used, nothing was sorted in memory and hardly a document was read in vain."""
        spare = SPARE_DOCUMENTS * max(self.count, 1) + (self.returned or 0)
        return bool(self.plans) and not self.scans and not self.sorts and self.wasted <= spare

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without any of a document."""
        return {
            "id": self.shape.id,
            "shape": str(self.shape),
            "collection": self.shape.collection,
            "kind": self.shape.kind,
            "count": self.count,
            "milliseconds": round(self.milliseconds, 3),
            "keysExamined": self.keys_examined,
            "documentsExamined": self.documents_examined,
            "returned": self.returned,
            "collectionScans": self.scans,
            "sortedInMemory": self.sorts,
            "plans": list(self.plans),
            "latest": self.latest.isoformat() if self.latest else None,
        }


def shape_of(operation: Operation, default_collation: Mapping[str, Any] | None = None) -> Shape:
    """The shape of an operation on a collection with this default collation."""
    asked = operation.collation or default_collation
    text = bool(operation.sort or operation.distinct) or compares_text(operation.filter)
    return Shape(
        operation.collection,
        operation.kind,
        written(redact(operation.filter)),
        operation.sort,
        operation.distinct,
        operation.limited,
        collation_key(asked),
        text,
        arms_of(operation.filter),
    )


def collation_key(collation: Mapping[str, Any] | None) -> str | None:
    """A collation in one spelling; None for the simple one. `version` is the server's own business."""
    if not collation or collation.get("locale") == "simple":
        return None
    return json.dumps({key: value for key, value in sorted(collation.items()) if key != "version"})


def group(
    operations: Iterable[Operation], collations: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[Observed, ...]:
    """The operations by shape, the most costly shape first; `collations` are the collections' default ones."""
    grouped: dict[Shape, list[tuple[Shape, Operation]]] = {}
    for operation in operations:
        shape = shape_of(operation, (collations or {}).get(operation.collection))
        grouped.setdefault(shape, []).append((shape, operation))
    observed = (
        _observed(_widest([shape for shape, _ in found]), [operation for _, operation in found])
        for found in grouped.values()
    )
    return tuple(sorted(observed, key=lambda one: (-one.weight, -one.count, one.shape.id)))


def _widest(shapes: Sequence[Shape]) -> Shape:
    widest = max(shapes, key=lambda shape: shape.points)
    return replace(widest, text=any(shape.text for shape in shapes))


def _observed(shape: Shape, operations: Sequence[Operation]) -> Observed:
    returned = [one.returned for one in operations if one.returned is not None]
    costly = sorted(operations, key=lambda one: (-one.documents_examined, -one.milliseconds))
    return Observed(
        shape,
        sum(one.count for one in operations),
        sum(one.milliseconds for one in operations),
        sum(one.keys_examined for one in operations),
        sum(one.documents_examined for one in operations),
        sum(returned) if returned else None,
        sum("COLLSCAN" in one.plan for one in operations),
        sum(one.sorted_in_memory for one in operations),
        tuple(dict.fromkeys(one.plan for one in operations if one.plan)),
        max((one.at for one in operations if one.at is not None), default=None),
        _different([one.command for one in costly if one.command is not None]),
    )


def _different(commands: Sequence[Command]) -> tuple[Command, ...]:
    kept: list[Command] = []
    for command in commands:
        if command not in kept:
            kept.append(command)
        if len(kept) == MOST_EXAMPLES:
            break
    return tuple(kept)
