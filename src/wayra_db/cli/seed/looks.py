"""`seed status`: what reads and changes nothing."""

from __future__ import annotations

from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, GOOD, WARN
from wayra_db.cli._run import Run
from wayra_db.cli.seed._group import seed


@command(parent=seed, examples=["wayra-db seed status"])
def status(run: Run) -> None:
    """List every seed and whether it has run here."""
    output = run.output
    found = run.project().seeds.status()
    output.document({"seeds": [one.to_dict() for one in found]})
    styles = {"done": GOOD, "failed": BAD, "other environment": FAINT}
    output.table(
        [
            [
                one.name,
                output.style(one.verdict, styles.get(one.verdict, WARN)),
                "required" if one.required else "",
                ", ".join(one.environments),
                output.style(one.description, FAINT),
            ]
            for one in found
        ]
    )
    if not found:
        output.line("There are no seeds in the project.")
