"""What a declaration may hold: only what can be sent to a server. Pure, and without the driver."""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from wayra_db.schema.locate import Mistake, Where

DEEPEST = 100
"""Levels of nesting that the server takes (manual, "MongoDB Limits")."""

_PLAIN = (str, bytes, bool, int, float, type(None), datetime.datetime, re.Pattern)
_INSTEAD: dict[type, str] = {
    uuid.UUID: "Write bson.Binary.from_uuid(...), which says how it is stored.",
    set: "Write a list.",
    frozenset: "Write a list.",
    datetime.date: "Write a datetime.",
}


def value_mistakes(value: Any, where: Where, above: tuple[int, ...] = ()) -> Iterator[Mistake]:
    """Keys that are no strings, values that BSON does not have, and values that hold themselves."""
    if isinstance(value, (Mapping, list, tuple)):
        if id(value) in above:
            yield Mistake(
                f"{where[0]} holds itself, so it has no end", where, hint="Write out as many levels as needed."
            )
            return
        if len(above) >= DEEPEST:
            yield Mistake(f"{where[0]} is nested deeper than {DEEPEST} levels", where)
            return
        above = (*above, id(value))
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                place = (*where, key) if isinstance(key, int) else where
                yield Mistake(f"names of fields and options must be strings, found {key!r}", place, place[-1])
            elif "\0" in key:
                yield Mistake(f"a name cannot contain a null character: {key!r}", where, key)
            else:
                yield from value_mistakes(item, (*where, key), above)
    elif isinstance(value, (list, tuple)):
        for position, item in enumerate(value):
            yield from value_mistakes(item, (*where, position), above)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield Mistake(f"{value} does not fit into 64 bits", where)
    elif not isinstance(value, _PLAIN) and not _is_of_the_driver(value):
        hint = next((words for kind, words in _INSTEAD.items() if isinstance(value, kind)), "")
        yield Mistake(f"MongoDB cannot store a {type(value).__name__}", where, hint=hint)


def _is_of_the_driver(value: Any) -> bool:
    return any(kind.__module__.partition(".")[0] == "bson" for kind in type(value).__mro__)
