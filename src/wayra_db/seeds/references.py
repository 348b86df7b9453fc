"""References by natural key: `ctx.ref("users", email="ada@example.com")` in a document stands for that user's `_id`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_LEAVES = frozenset({str, int, float, bool, type(None), bytes})


@dataclass(frozen=True, slots=True)
class Reference:
    """The `_id` of the one document of `collection` whose fields are as in `key`."""

    collection: str
    key: tuple[tuple[str, Any], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the key's fields."""
        return tuple(name for name, _ in self.key)

    @property
    def values(self) -> tuple[Any, ...]:
        """Their values."""
        return tuple(value for _, value in self.key)

    def __str__(self) -> str:
        return f"{self.collection}({', '.join(f'{name}={value!r}' for name, value in self.key)})"


def reference(collection: str, key: Mapping[str, Any]) -> Reference:
    """A reference; the order in which the fields are named does not count. Raises ValueError for an empty key."""
    if not key:
        raise ValueError(f"a reference to {collection} names no field to find it by")
    for name, value in key.items():
        if value is None or isinstance(value, (list, tuple, dict, Reference)):
            raise ValueError(f"a reference to {collection} needs a plain value for {name!r}")
    return Reference(collection, tuple(sorted(key.items())))


def references_in(value: Any) -> list[Reference]:
    """Every reference within a value."""
    found: list[Reference] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Reference]) -> None:
    # Most values are neither; asking for their exact kind first is what makes the walk cheap.
    kind = type(value)
    if kind in _LEAVES:
        return
    if kind is Reference:
        found.append(value)
    elif isinstance(value, Mapping):
        for one in value.values():
            _collect(one, found)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _collect(one, found)


def replaced(value: Any, find: Callable[[Reference], Any]) -> Any:
    """The value with each reference replaced by what `find` says; the original stays as it is."""
    if isinstance(value, Reference):
        return find(value)
    if isinstance(value, Mapping):
        return {name: replaced(one, find) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [replaced(one, find) for one in value]
    return value
