"""The group `migrate`; its verbs stand in the files beside this one."""

from __future__ import annotations

from wayra_db.cli._groups import DefaultGroup
from wayra_db.cli._options import group


class Migrate(DefaultGroup):
    """`migrate` alone is `migrate up`."""

    default = "up"


@group(
    cls=Migrate,
    examples=[
        "wayra-db migrate",
        "wayra-db migrate --to 3",
        "wayra-db migrate status",
        'wayra-db migrate create --name "add user roles"',
        "wayra-db migrate rollback --version 3",
    ],
)
def migrate() -> None:
    """Run, list, write and roll back migrations.

    Alone it runs the pending ones, as `migrate up`.
    """
