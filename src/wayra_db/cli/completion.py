"""`completion`."""

from __future__ import annotations

import click

from wayra_db.cli._options import command
from wayra_db.cli._run import Run


@command(
    examples=['eval "$(wayra-db completion bash)"   # in ~/.bashrc', "wayra-db completion fish | source"],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(run: Run, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    context = click.get_current_context()
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click {click.__version__} completes nothing in {shell}.")
    script = kind(context.find_root().command, {}, "wayra-db", "_WAYRA_DB_COMPLETE").source()
    run.output.document({"shell": shell, "script": script})
    run.output.line(script)
