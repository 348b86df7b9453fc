"""Every command of the tool, walked from its root."""

from __future__ import annotations

from collections.abc import Iterator

import click

from wayra_db.cli._app import root


def _walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _walk(found, (*path, name))


ALL: dict[str, click.Command] = {" ".join(path): command for path, command in _walk(root, ())}
GROUPS = [path for path, command in ALL.items() if isinstance(command, click.Group)]
LEAVES = [path for path, command in ALL.items() if not isinstance(command, click.Group)]
# Groups that run one of their commands when none is named.
WITH_DEFAULT = ("migrate", "seed", "history")
