"""The documentation page of a rule, which is shipped with the package."""

from __future__ import annotations

from pathlib import Path

from wayra_db.migrations.lint.model import Rule

_SHIPPED = Path(__file__).parent / "pages"
_IN_THE_REPOSITORY = Path(__file__).parents[4] / "docs" / "reference" / "lint"


def read_page(rule: Rule) -> str:
    """The page as Markdown; the rule's title alone where somebody has packed it without its pages."""
    for folder in (_SHIPPED, _IN_THE_REPOSITORY):
        path = folder / f"{rule.id}.md"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return f"# {rule.id} {rule.slug}\n\n{rule.title}.\n"
