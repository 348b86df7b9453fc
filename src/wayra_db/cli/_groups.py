"""Groups of commands: "did you mean" for a mistyped one, help when none is named, or a default one."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import click

from wayra_db.cli._run import Run

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Group(click.Group):
    """A group that suggests what was meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click; an unknown name is an error that says which command is near, or which there are."""
        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            near = difflib.get_close_matches(args[0], known, n=1, cutoff=0.5)
            meant = f" Did you mean '{near[0]}'?" if near else f" There are: {', '.join(known)}."
            raise click.UsageError(f"There is no command '{args[0]}'.{meant}", ctx)
        return super().resolve_command(ctx, args)


class DefaultGroup(Group):
    """A group whose first command runs when none is named: `wayra-db migrate --to 3` is `migrate up --to 3`."""

    default = ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command's name in front where the user named none."""
        named = any(argument in self.commands for argument in args)
        asks = args[:1] in (["--help"], ["-h"])
        completes = ctx.resilient_parsing  # a shell asks what may stand here
        if not named and not asks and not completes and (not args or args[0].startswith("-")):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As click, and the options of the default command, which may stand here."""
        found = super().shell_complete(ctx, incomplete)
        known = {item.value for item in found}
        default = self.commands[self.default].shell_complete(ctx, incomplete)
        return [*found, *(item for item in default if item.value not in known)]


def help_if_alone(function: Callable[[], None]) -> Callable[[], None]:
    """Make a group that is called without any command show its help; a program, which cannot read it, gets an error."""

    @functools.wraps(function)
    def show_help() -> None:
        context = click.get_current_context()
        if context.invoked_subcommand is not None:
            return
        if context.ensure_object(Run).given.get("json"):
            listed = ", ".join(cast(click.Group, context.command).list_commands(context))
            raise click.UsageError(f"No command is named. There are: {listed}.", context)
        click.echo(context.get_help())

    return show_help
