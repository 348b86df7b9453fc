"""The server's refusal of a declaration, told with the file and line of the declaration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from wayra_db.errors import DatabaseOperationError, DeclarationError
from wayra_db.mongo.errors import is_refused_as_written, translated
from wayra_db.schema.collection import Collection
from wayra_db.schema.locate import Mistake, find_line


@contextmanager
def told_of(collection: Collection, address: str) -> Iterator[None]:
    """Within the block, what the server says of a command that was made from `collection` names it.

    Raises DeclarationError where the declaration is at fault, DatabaseOperationError where it is not, and the errors of
    `translated`.
    """
    try:
        with translated(address):
            yield
    except DatabaseOperationError as error:
        if not is_refused_as_written(error.code):
            message = f"collection {collection.name!r}: {error.message}"
            raise DatabaseOperationError(message, code=error.code, hint=error.hint) from error.__cause__
        raise DeclarationError(
            f"collection {collection.name!r}: {error.message}",
            path=collection.path,
            line=_line(collection, error.message),
            hint="Correct the declaration; this collection was left as it is.",
        ) from error.__cause__


def _line(collection: Collection, said: str) -> int:
    """The line of the operator that the server names, if the validator holds one; else the declaration's own."""
    operator = re.search(r"\$\w+", said)
    if operator is None or collection.validator is None:
        return collection.line
    mistake = Mistake(said, ("validator", operator[0]), operator[0])
    return find_line(collection.path, collection.line, mistake)
