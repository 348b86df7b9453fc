"""The twin that stands in for an index while it is built anew. Pure: index documents in and out.

The server allows no second index of the same definition. A filter that every document and every query meets makes it
another one to the server and the same to all who use it: the twin serves every query, keeps uniqueness, lets documents
expire, and answers to the same key as a hint. Its name ends in `__v` and a number, as that of a swapped index, so that
`indexes apply` takes what a killed run has left for a former definition of the declared index, and replaces it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from wayra_db.indexes.spec import IndexDocument, definition, is_building, is_on_id, is_text
from wayra_db.schema.index_rules import MOST_INDEXES

EVERYTHING: Mapping[str, Any] = {}
OF_THE_SERVER = "the server's own"
_SWAPPED = re.compile(r"__v\d+$")


def why_not(document: IndexDocument, live: Sequence[IndexDocument]) -> str:
    """Why an index cannot be built anew without a gap; empty when it can."""
    if is_on_id(document) or document.get("clustered"):
        return OF_THE_SERVER
    if is_building(document):
        return "still being built"
    if is_text(document):
        return "a collection can have one text index only"
    if document.get("sparse"):
        return "sparse"
    if document.get("partialFilterExpression"):
        return "it has a filter of its own"
    if document.get("prepareUnique"):
        return "somebody is making it unique"
    if len(live) >= MOST_INDEXES:
        return f"there is no room beside it ({MOST_INDEXES} indexes are the most)"
    return ""


def is_twin(document: IndexDocument) -> bool:
    """Whether a live index is a twin."""
    return (
        "partialFilterExpression" in document
        and not document["partialFilterExpression"]
        and bool(_SWAPPED.search(str(document["name"])))
    )


def twin_of(document: IndexDocument, taken: Collection[str]) -> dict[str, Any]:
    """The twin of a live index as `createIndexes` takes it: hidden, so that hints by key stay clear meanwhile."""
    base, number = _SWAPPED.sub("", str(document["name"])), 2
    while f"{base}__v{number}" in taken:
        number += 1
    return {
        **definition(document),
        "name": f"{base}__v{number}",
        "partialFilterExpression": dict(EVERYTHING),
        "hidden": True,
    }


def original_of(twin: IndexDocument, taken: Collection[str]) -> dict[str, Any]:
    """The index that a twin stands in for. Where its name is not known any more it gets the plain one."""
    document = {
        key: value for key, value in definition(twin).items() if key not in ("partialFilterExpression", "hidden")
    }
    base, number = _SWAPPED.sub("", str(twin["name"])), 2
    name = base
    while name in taken:
        name, number = f"{base}__v{number}", number + 1
    return {**document, "name": name}


def partner(twin: IndexDocument, live: Sequence[IndexDocument]) -> IndexDocument | None:
    """The index that a twin stands in for, where it is live."""
    wanted = _identity(twin)
    return next((one for one in live if "partialFilterExpression" not in one and _identity(one) == wanted), None)


def _identity(document: IndexDocument) -> Any:
    left_out = ("name", "partialFilterExpression", "hidden", "buildUUID")
    return list(document["key"].items()), {
        key: value for key, value in definition(document).items() if key not in (*left_out, "key")
    }
