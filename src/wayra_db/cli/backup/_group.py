"""The group `backup`; its verbs stand in the files beside this one."""

from __future__ import annotations

from wayra_db.cli._options import group


@group(examples=["wayra-db backup create", "wayra-db backup list", "wayra-db backup restore NAME"])
def backup() -> None:
    """Make, list, verify, restore and prune backups; export and import collections."""
