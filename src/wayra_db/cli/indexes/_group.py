"""The group `indexes`; its verbs stand in the files beside this one."""

from __future__ import annotations

from wayra_db.cli._options import group


@group(
    examples=[
        "wayra-db indexes plan",
        "wayra-db indexes plan --check",
        "wayra-db indexes apply",
        "wayra-db indexes retire users.old_1 --watch 1h",
        "wayra-db indexes undo",
    ]
)
def indexes() -> None:
    """Compare declared indexes with live ones, build the missing."""
