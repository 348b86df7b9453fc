"""What a project knows beside its migrations, and `check` and `rehearse` ask for: migrations know no other manager."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from wayra_db.migrations.rehearsal import Declared
    from wayra_db.mongo.client import Deployment
    from wayra_db.schema.collection import Collection

# Where a rehearsal makes its copy: beside the database itself, or on the project's embedded server.
On = Literal["same", "embedded"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Functions that are called when their answer is needed; None where nobody can tell.

    `collections` reads the declarations, by running their files, and `demands` says which declared validators and
    unique indexes are not live yet; both give None where nothing is declared. `drift` says what of the live database is
    not as declared. `embedded` gives the project's embedded server, started if need be, or refuses.
    """

    collections: Callable[[], Sequence[Collection] | None] | None = None
    demands: Callable[[], Declared | None] | None = None
    drift: Callable[[], Sequence[str]] | None = None
    embedded: Callable[[], Deployment] | None = None
