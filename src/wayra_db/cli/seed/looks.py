"""`seed list` and `seed status`: what reads and changes nothing."""

from __future__ import annotations

from wayra_db.cli._options import command
from wayra_db.cli._output import BAD, FAINT, GOOD, WARN
from wayra_db.cli._run import Run
from wayra_db.cli.seed._group import seed


@command(parent=seed, name="list", examples=["wayra-db seed list", "wayra-db seed list --json"])
def list_seeds(run: Run) -> None:
    """List the seeds of the project in the order in which they run.

    Reads the files and no database.
    """
    from wayra_db.seeds.loader import load_seeds

    output = run.output
    found = load_seeds(run.settings().seeds_dir)
    output.document({"seeds": [one.to_dict() for one in found]})
    output.table(
        [
            [
                one.name,
                ", ".join(one.environments),
                "required" if one.required else "",
                ", ".join(one.collections),
                f"after {', '.join(one.depends_on)}" if one.depends_on else "",
                output.style(one.description, FAINT),
            ]
            for one in found
        ]
    )
    if not found:
        output.line("There are no seeds in the project.")


@command(parent=seed, examples=["wayra-db seed status"])
def status(run: Run) -> None:
    """List every seed and whether it has run here, and what documents were made up."""
    output = run.output
    seeds = run.project().seeds
    found, generated = seeds.status(), seeds.generated()
    output.document({"seeds": [one.to_dict() for one in found], "generated": [one.to_dict() for one in generated]})
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
    output.table(
        [
            [
                one.name,
                output.style("done" if one.done else "cut off", GOOD if one.done else WARN),
                f"{one.count:,} documents of random seed {one.random_seed}",
            ]
            for one in generated
        ]
    )
