"""The group `seed`; its verbs stand in the files beside this one."""

from __future__ import annotations

from wayra_db.cli._groups import DefaultGroup
from wayra_db.cli._options import group


class Seed(DefaultGroup):
    """`seed` alone is `seed run`."""

    default = "run"


@group(
    cls=Seed, examples=["wayra-db seed plan", "wayra-db seed", "wayra-db seed --profile demo", "wayra-db seed status"]
)
def seed() -> None:
    """Fill the database with development or test data.

    Alone it runs what has not run yet, as `seed run`. Never in production.
    """
