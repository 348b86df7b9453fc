"""What a sample of documents says of fields: which hold arrays, how many different values, how long keys are. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# A record's number, the bytes that end a key, and the page's own bookkeeping for it.
BYTES_PER_ENTRY = 8
# Past this depth a value is no field that anybody asks for.
DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a collection.

    `arrays` are the paths of arrays. `crowd` estimates how many documents share a value of a path. `key_bytes` and
    `entries` are the mean length of a key over a path and how many keys a document has there. `values` are those of the
    sample, to judge ranges by; they are never shown.
    """

    documents: int = 0
    sampled: int = 0
    arrays: frozenset[str] = frozenset()
    crowd: Mapping[str, float] = field(default_factory=dict)
    key_bytes: Mapping[str, float] = field(default_factory=dict)
    entries: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict, repr=False)

    def crowd_of(self, path: str) -> float:
        """How many documents one value of a path is expected to find; all of them where the sample has none."""
        return self.crowd.get(path, float(self.documents))

    def arrays_on(self, path: str) -> frozenset[str]:
        """The arrays on the way to a path, itself included: what an index over it has an entry per element of."""
        parts = path.split(".")
        return frozenset(prefix for end in range(1, len(parts) + 1) if (prefix := ".".join(parts[:end])) in self.arrays)

    def can_share_an_index(self, one: str, other: str) -> bool:
        """Whether one index may hold both: the server refuses arrays side by side (error 171), not one in the other."""
        first, second = self.arrays_on(one), self.arrays_on(other)
        return first <= second or second <= first

    def index_bytes(self, fields: Sequence[str]) -> int | None:
        """About how large an index over these fields would be, None where no document was sampled."""
        if not self.sampled:
            return None
        per_entry = BYTES_PER_ENTRY + sum(self.key_bytes.get(name, 1.0) for name in fields)
        entries = max((self.entries.get(name, 1.0) for name in fields), default=1.0)
        return math.ceil(self.documents * entries * per_entry)


def learn(documents: int, sample: Sequence[Mapping[str, Any]], declared_arrays: Iterable[str] = ()) -> Facts:
    """The facts of a collection of so many documents, from a sample of them and from what is declared."""
    arrays: set[str] = set(declared_arrays)
    values: dict[str, list[list[Any]]] = {}
    for document in sample:
        found: dict[str, list[Any]] = {}
        _walk(document, "", found, arrays, 0)
        for path, listed in found.items():
            values.setdefault(path, []).append(listed)
    number = len(sample)
    crowd = {path: _crowd(lists, documents * len(lists) / number) for path, lists in values.items()}
    flat = {path: [value for listed in lists for value in listed] for path, lists in values.items()}
    sizes: dict[str, float] = {}
    entries: dict[str, float] = {}
    for path, lists in values.items():
        total = sum(len(listed) for listed in lists)
        absent = number - len(lists)  # these have the key null, of one byte
        sizes[path] = (sum(_key_bytes(value) for listed in lists for value in listed) + absent) / (total + absent)
        entries[path] = (total + absent) / number
    return Facts(documents, number, frozenset(arrays), crowd, sizes, entries, flat)


def _crowd(lists: Sequence[Sequence[Any]], documents: float) -> float:
    """How many of so many documents share a value, from how often two of the sample do: a few of a thousand documents
    tell a field of ten thousand values from one of a million, which counting the values would not.
    """
    found = len(lists)
    if found < 2:
        return documents
    counts = Counter(text for listed in lists for text in {repr(value) for value in listed})
    alike = sum(count * (count - 1) / 2 for count in counts.values())
    values_each = sum(counts.values()) / found
    return documents * alike / (found * (found - 1) / 2) / values_each


def _walk(value: Any, path: str, found: dict[str, list[Any]], arrays: set[str], depth: int) -> None:
    """Collect the keys that an index over each path would have; an empty array has one."""
    if depth > DEEPEST:
        return
    if isinstance(value, Mapping):
        if path:
            found.setdefault(path, []).append(value)
        for name, part in value.items():
            _walk(part, f"{path}.{name}" if path else name, found, arrays, depth + 1)
    elif isinstance(value, list):
        arrays.add(path)
        for item in value or [None]:
            # An array in an array is one key, and no field below it is found by name.
            if isinstance(item, list):
                found.setdefault(path, []).append(item)
            else:
                _walk(item, path, found, arrays, depth + 1)
    else:
        found.setdefault(path, []).append(value)


def _key_bytes(value: Any) -> int:
    """About the length of a value in an index (the server's KeyString)."""
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, int):
        return 2 + (abs(value).bit_length() + 7) // 8
    if isinstance(value, (float, datetime)):
        return 9
    if isinstance(value, str):
        return len(value.encode(errors="replace")) + 2
    if isinstance(value, bytes):
        return len(value) + 3
    if isinstance(value, Mapping):
        return 2 + sum(len(name) + 2 + _key_bytes(part) for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return 2 + sum(map(_key_bytes, value))
    return 13  # an ObjectId; the others are not longer by much


def declared_arrays(validator: Mapping[str, Any] | None) -> frozenset[str]:
    """The paths that a `$jsonSchema` declares as arrays, so that no sample needs to hold one."""
    schema = (validator or {}).get("$jsonSchema")
    found: set[str] = set()
    if isinstance(schema, Mapping):
        _declared(schema, "", found)
    return frozenset(found)


def _declared(schema: Mapping[str, Any], path: str, found: set[str]) -> None:
    kinds = schema.get("bsonType", schema.get("type", ()))
    if path and "array" in ([kinds] if isinstance(kinds, str) else list(kinds)):
        found.add(path)
    for name, part in (schema.get("properties") or {}).items():
        if isinstance(part, Mapping):
            _declared(part, f"{path}.{name}" if path else name, found)
    items = schema.get("items")
    for part in items if isinstance(items, list) else [items]:
        if isinstance(part, Mapping):
            # What an element holds lies under the array's own path.
            inner = {key: value for key, value in part.items() if key not in ("bsonType", "type")}
            _declared(inner, path, found)
