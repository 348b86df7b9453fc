from __future__ import annotations

import re
from pathlib import Path

import pytest

from wayra_db import errors
from wayra_db.cli import _app
from wayra_db.error_pages import PAGES
from wayra_db.errors import WayraError, link_name

CLASSES = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, WayraError)]
REFERENCE = (Path(__file__).parents[2] / "docs/reference/errors.md").read_text(encoding="utf-8")


def test_every_class_has_its_page_and_no_other() -> None:
    """Under a name of its own."""
    assert [page.error for page in PAGES.values()] == [one.__name__ for one in CLASSES] or {
        page.error for page in PAGES.values()
    } == {one.__name__ for one in CLASSES}
    assert len(PAGES) == len(CLASSES)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_page_tells_cause_and_fix(kind: type[WayraError]) -> None:
    """Both are sentences, and the reference has them under the name that the command line prints."""
    page = PAGES[link_name(kind)]
    assert page.exit_code == kind.exit_code
    assert page.cause.endswith((".", "`"))
    assert page.fix.endswith((".", "`"))
    below = REFERENCE.partition(f"\n## {link_name(kind)}\n")[2].partition("\n## ")[0]
    assert f"**`{kind.__name__}`**" in below
    assert page.cause in below
    assert page.fix in below


def test_names_are_links() -> None:
    """Lower case, with hyphens; a class of another module goes by its parent's."""
    assert link_name(errors.LockHeldError) == "lock-held"
    assert link_name(errors.InterruptedMigrationError) == "interrupted-migration"
    assert link_name(_app.UsageError) == "wayra"
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", name) for name in PAGES)


def test_commands_in_pages_exist() -> None:
    """Each `wayra-db word` of a fix."""
    for page in PAGES.values():
        for word in re.findall(r"`wayra-db ([a-z]+)", page.cause + page.fix):
            assert word in _app.COMMANDS
