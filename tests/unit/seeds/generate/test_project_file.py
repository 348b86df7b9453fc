"""`scripts/generate.py`: what it may say, and mistakes with file and line; words of mimesis and Faker."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wayra_db.errors import GenerateError
from wayra_db.seeds.generate import Faked, Ref
from wayra_db.seeds.generate.pools import Pools
from wayra_db.seeds.generate.project_file import ProjectRules, load_rules
from wayra_db.seeds.generate.words import WORDS


def test_it_is_read(tmp_path: Path) -> None:
    """Whatever else is in it counts for nothing; without the file there are no rules."""
    path = tmp_path / "generate.py"
    assert load_rules(path) == ProjectRules()
    path.write_text(
        "from wayra_db.seeds.generate import Ref\n\n"
        "SHARED = Ref('users')\nlocales = ['en', 'es']\nrandom_seed = 7\n"
        "rules = {'trips': {'owner': SHARED}}\nprofiles = {'demo': {'users': 10}}\n"
    )
    found = load_rules(path)
    assert (found.random_seed, found.locales) == (7, ("en", "es"))
    assert found.rules == {"trips": {"owner": Ref("users")}}
    assert found.profile("demo") == {"users": 10}
    with pytest.raises(GenerateError, match="no profile 'dem'") as caught:
        found.profile("dem")
    assert caught.value.hint == "Did you mean 'demo'?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n1 / 0\n", "generate.py:2: ZeroDivisionError"),
        ("rules = [", "syntax error"),
        ("rules = {'users': 3}", "`rules` must be an object of collections"),
        ("rules = {'users': {'name': 'city'}}", "`rules` has for users.name 'city', which is no rule"),
        ("random_seed = '7'", "`random_seed` must be a whole number"),
        ("locales = 'en'", "`locales` must be a list"),
        ("profiles = {'demo': {'users': -1}}", "the profile 'demo' must say how many"),
        ("profiles = 3", "`profiles` must be an object"),
        ("rule = {}", "`rule` is read by nobody"),
    ],
)
def test_a_mistake_is_told_with_the_file(tmp_path: Path, text: str, said: str) -> None:
    """And with the line where there is one."""
    path = tmp_path / "generate.py"
    path.write_text(text)
    with pytest.raises(GenerateError, match=re.escape(said)) as caught:
        load_rules(path)
    assert caught.value.path == path


def test_pools_of_mimesis_are_the_same_each_time() -> None:
    """In the languages that were asked for, and only where mimesis has such words."""
    pools, again = Pools(["es", "de"]), Pools(["es", "de"])
    for name in WORDS:
        words = pools.words(name)
        assert words == again.words(name)
        assert len(words) == len(set(words)) > 5
    assert pools.words("city") != Pools(["en"]).words("city") != Pools().words("city")
    assert pools.words("currency") == tuple(WORDS["currency"])


def test_a_language_that_there_is_not() -> None:
    """What was meant is said."""
    with pytest.raises(GenerateError, match="no locale 'eng'") as caught:
        Pools(["eng"]).words("city")
    assert caught.value.hint == "Did you mean 'en'?"


def test_without_mimesis_languages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than quietly making other documents than where it is installed."""
    monkeypatch.setitem(sys.modules, "mimesis", None)
    with pytest.raises(GenerateError, match="mimesis is not installed"):
        Pools(["en"]).words("city")
    assert Pools().words("city")


def test_faker_is_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded, unweighted, each value once; a provider that it has not is told."""
    asked: list[Any] = []

    class Faker:
        def __init__(self, locale: str, *, use_weighting: bool) -> None:
            asked.append((locale, use_weighting))
            self.number = 0

        def seed_instance(self, seed: int) -> None:
            self.number = seed

        def company(self) -> str:
            self.number += 1
            return f"Company {self.number % 7}"

    module = ModuleType("faker")
    module.Faker = Faker  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "faker", module)
    found = Pools().faked(Faked("company", locale="de_DE", size=5))
    assert found == ("Company 2", "Company 3", "Company 4", "Company 5", "Company 6")
    assert asked == [("de_DE", False)]
    with pytest.raises(GenerateError, match="Faker cannot make 'companie'"):
        Pools().faked(Faked("companie"))
