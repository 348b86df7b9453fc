"""Which sensitive fields an export would show. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any


def covers(path: str, other: str) -> bool:
    """Whether `path` is `other`, or a field around it."""
    return path == other or other.startswith(f"{path}.")


def exposed(sensitive: Iterable[str], fields: Collection[str], excluded: Collection[str]) -> tuple[str, ...]:
    """The sensitive paths of which something is exported, given the fields chosen (all when none) or left out."""
    return tuple(
        path
        for path in sensitive
        if (not fields or any(covers(one, path) or covers(path, one) for one in fields))
        and not any(covers(one, path) for one in excluded)
    )


def sources_of(view: Mapping[str, Any]) -> set[str]:
    """The collections that a view reads, by its options: what it stands on, and what its stages look up."""
    found = {str(view["viewOn"])} if "viewOn" in view else set()
    pending: list[Any] = [view.get("pipeline", [])]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending += part
        elif isinstance(part, Mapping):
            for name, value in part.items():
                if name in ("$lookup", "$graphLookup") and isinstance(value, Mapping) and "from" in value:
                    found.add(str(value["from"]))
                elif name == "$unionWith":
                    source = value.get("coll") if isinstance(value, Mapping) else value
                    found |= {str(source)} if source else set()
                pending.append(value)
    return found
