"""`environment` and its verbs."""

from __future__ import annotations

import click

from wayra_db.cli._options import command, group
from wayra_db.cli._output import FAINT
from wayra_db.cli._run import Run

NAMES = ["development", "test", "production"]


@group(examples=["wayra-db environment show", "wayra-db --env production environment set development"])
def environment() -> None:
    """Show what is allowed, or change a database's environment."""


@command(parent=environment, examples=["wayra-db environment show", "wayra-db environment show --env production"])
def show(run: Run) -> None:
    """Show what this environment allows; needs no database."""
    from wayra_db.environment import POLICY, Allowed, NeedsPermission, describe

    settings = run.settings()
    words = []
    for action, decision in describe(settings.environment):
        if isinstance(decision, Allowed):
            verdict, how = "yes", ""
        elif isinstance(decision, NeedsPermission):
            verdict, how = "with permission", decision.how
        else:
            verdict, how = "no", decision.instead
        words.append((action.value, POLICY[action].words, verdict, how))
    run.output.document(
        {
            "environment": settings.environment.value,
            "actions": [{"action": action, "allowed": verdict, "how": how} for action, _, verdict, how in words],
        }
    )
    run.output.line(f"{settings.environment.value}:")
    run.output.table([[said, verdict, run.output.style(how, FAINT)] for _, said, verdict, how in words])


@command(
    parent=environment,
    name="set",
    examples=["wayra-db --env production environment set development   # a copy of production for a developer"],
)
@click.argument("name", type=click.Choice(NAMES))
def set_environment(run: Run, name: str) -> None:
    """Make the database belong to another environment.

    Run it as the environment that the database carries now, on a copy that changes its purpose. It is written to the
    audit log.
    """
    project = run.project()
    database = project.deployment.database_name
    run.confirm(f"Database {database} will belong to {name}, with all that {name} allows.", database)
    project.set_environment(name)
    run.output.document({"database": database, "environment": name})
    run.output.line(f"{database} belongs to {name} now.")
