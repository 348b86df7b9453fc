from __future__ import annotations

import subprocess
import sys
from typing import get_type_hints

import pytest

import wayra_db
from wayra_db.errors import WayraError


def test_all_is_sorted_and_complete() -> None:
    """What `from wayra_db import *` gives is what `dir` shows."""
    assert wayra_db.__all__ == sorted(wayra_db.__all__)
    assert dir(wayra_db) == wayra_db.__all__


@pytest.mark.parametrize("name", wayra_db.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    """It is there, and a class is called what it is called."""
    value = getattr(wayra_db, name)
    assert value is not None
    assert not isinstance(value, type) or value.__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As of any module, so that `hasattr` and `getattr` with a default behave."""
    assert not hasattr(wayra_db, "Proyect")
    with pytest.raises(AttributeError, match="'wayra_db' has no attribute 'Proyect'"):
        wayra_db.Proyect  # noqa: B018


def test_importing_the_package_imports_no_driver_and_no_terminal() -> None:
    """Neither do the classes that a program needs for its error handling and its declarations."""
    heavy = "{'pymongo', 'bson', 'click', 'rich', 'asyncio'}"
    check = (
        "import sys, wayra_db; from wayra_db import Action, Collection, Environment, Mask, Stop, WayraError; "
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_the_version_is_a_version() -> None:
    """Numbers with dots, as the distribution's metadata take it from here."""
    assert all(part.isdecimal() for part in wayra_db.__version__.split("."))


def test_the_error_tree_is_reachable() -> None:
    """Public managers raise errors that a program can catch by the one public root."""
    assert wayra_db.WayraError is WayraError
    assert get_type_hints(WayraError.__init__)["return"] is type(None)
