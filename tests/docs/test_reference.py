from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from wayra_db import errors
from wayra_db.cli import _app
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.settings.options import OPTIONS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("wayra/*.md")])


def read(name: str) -> str:
    """A page's text."""
    return (ROOT / name).read_text(encoding="utf-8")


def test_generated_pages_are_as_the_code_says() -> None:
    """`make docs` would change nothing."""
    checked = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """Relative links in pages name files that exist."""
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_in_the_index() -> None:
    """A page that nobody can find is no page."""
    index = read("docs/index.md")
    for page in ROOT.glob("docs/*/*.md"):
        assert f"({page.relative_to(ROOT / 'docs')})" in index


def test_every_setting_is_documented() -> None:
    """Key, variable and flag of each."""
    page = read("docs/reference/settings.md")
    for option in OPTIONS.values():
        assert f"`{option.key}`" in page
        assert f"`{option.variable}`" in page
        assert not option.flag or f"`{option.flag}`" in page


def test_every_exit_code_and_error_is_documented() -> None:
    """Each number with its meaning, each class with its docstring."""
    codes, page = read("docs/reference/exit-codes.md"), read("docs/reference/errors.md")
    for code in ExitCode:
        assert f"| {code.value} | {code.meaning} |" in codes
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.WayraError):
            assert f"**`{name}`**" in page


def test_every_command_that_a_page_names_exists() -> None:
    """`wayra-db word` and `wayra-db group word` in pages are commands."""
    context = click.Context(_app.root)
    for page in PAGES:
        for first, second in re.findall(r"`wayra-db ([a-z]+)(?: ([a-z]+))?", page.read_text(encoding="utf-8")):
            command = _app.root.get_command(context, first)
            assert command is not None, f"{page.name} names wayra-db {first}"
            if second and isinstance(command, click.Group):
                assert second in command.commands, f"{page.name} names wayra-db {first} {second}"
