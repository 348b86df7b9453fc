"""Options that every command takes, declared once, and the decorators that give them to commands and groups.

They may stand before or after the command's name. The root's help lists them; a command's own help points there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from wayra_db.cli._groups import Group, help_if_alone
from wayra_db.cli._run import Run
from wayra_db.environment import Environment
from wayra_db.settings.options import OPTIONS, Kind, Option

F = TypeVar("F", bound=Callable[..., Any])


class _ListedAtTheRoot(click.Option):
    """An option that a command's own help leaves out, for brevity, and that completion offers like any other."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Nothing."""
        return None


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Put a flag that was used into the invocation; what stands after the command's name wins."""
    if value is not None and param.name is not None:
        ctx.ensure_object(Run).given[param.name] = value


def _flag(*names: str, listed: bool, help: str, **more: Any) -> Callable[[F], F]:
    kind = click.Option if listed else _ListedAtTheRoot
    return click.option(*names, cls=kind, help=help, default=None, expose_value=False, callback=_keep, **more)


def parameter(option: Option) -> str:
    """The name under which a setting's flag is kept."""
    return option.flag.lstrip("-").replace("-", "_")


def _from_setting(option: Option, listed: bool) -> Callable[[F], F]:
    help = f"{option.help} [{option.variable}]"
    if option.kind is Kind.SWITCH:
        return _flag(option.flag, parameter(option), listed=listed, help=help, is_flag=True)
    kind: click.ParamType[Any] = click.STRING
    if option.kind is Kind.ENVIRONMENT:
        kind = click.Choice([environment.value for environment in Environment])
    elif option.kind is Kind.LOG_FORMAT:
        kind = click.Choice(["auto", "text", "json"])
    elif option.kind is Kind.SECONDS:
        kind = click.FLOAT
    return _flag(option.flag, parameter(option), listed=listed, help=help, type=kind)


def shared_options(function: F, *, listed: bool = True) -> F:
    """Give a command the options that every command takes; `listed` in its help or not."""
    options = [
        _flag("--project", listed=listed, metavar="PATH", help="The project's folder; else the nearest wayra-db.toml."),
        *(_from_setting(option, listed) for option in OPTIONS.values() if option.flag),
        _flag("--json", listed=listed, is_flag=True, help="One JSON document on stdout; events as JSON on stderr."),
        _flag("-y", "--yes", listed=listed, is_flag=True, help="Answer yes to every question."),
        _flag("--no-input", listed=listed, is_flag=True, help="Never ask; an open question is an error."),
        _flag("-v", "--verbose", listed=listed, is_flag=True, help="Tell more."),
        _flag("-q", "--quiet", listed=listed, is_flag=True, help="Only results, warnings and errors."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _epilog(examples: Sequence[str]) -> str:
    listed = "\n".join(f"  {example}" for example in examples)
    return f"\b\nExamples:\n{listed}\n\nOptions for every command: wayra-db --help"


def command(
    *, examples: Sequence[str], parent: click.Group | None = None, name: str | None = None
) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function that takes the Run a command of `parent`, or of the root, with the shared options."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def run(**arguments: Any) -> Any:
            invocation = click.get_current_context().ensure_object(Run)
            invocation.begin()
            return function(invocation, **arguments)

        made = click.command(name=name or function.__name__, epilog=_epilog(examples))(
            shared_options(run, listed=False)
        )
        if parent is not None:
            parent.add_command(made)
        return made

    return decorate


def group(*, examples: Sequence[str], cls: type[click.Group] = Group) -> Callable[[Callable[..., Any]], click.Group]:
    """Make a function a group of commands, with the shared options."""

    def decorate(function: Callable[..., Any]) -> click.Group:
        made = click.group(cls=cls, epilog=_epilog(examples), invoke_without_command=True)
        return made(shared_options(help_if_alone(function), listed=False))

    return decorate
