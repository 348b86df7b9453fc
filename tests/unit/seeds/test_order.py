from __future__ import annotations

import graphlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.seeds.test_plan import seed
from wayra_db.environment import Environment
from wayra_db.errors import SeedLoadError
from wayra_db.seeds.loader import load_seeds
from wayra_db.seeds.order import in_order, with_dependencies


def names(needs: dict[str, tuple[str, ...]]) -> list[str]:
    """The order in which seeds of these names and needs run."""
    return [one.name for one in in_order([seed(name, depends_on=depends) for name, depends in sorted(needs.items())])]


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        ({"a": (), "b": (), "c": ()}, "abc"),
        ({"a": ("c",), "b": (), "c": ()}, "bca"),
        ({"a": ("b", "c"), "b": ("c",), "c": ()}, "cba"),
        ({"a": (), "b": ("a", "a")}, "ab"),
    ],
)
def test_each_behind_what_it_depends_on(needs: dict[str, tuple[str, ...]], expected: str) -> None:
    """Else by name."""
    assert names(needs) == list(expected)


@given(st.dictionaries(st.sampled_from("abcdef"), st.frozensets(st.sampled_from("abcdef")), min_size=1))
def test_any_graph(wild: dict[str, frozenset[str]]) -> None:
    """Either everything runs behind what it needs, or the error names the files."""
    needs = {name: tuple(sorted(others & set(wild))) for name, others in wild.items()}
    if _goes_round(needs):
        with pytest.raises(SeedLoadError, match="itself"):
            names(needs)
        return
    order = names(needs)
    assert sorted(order) == sorted(needs)
    for name, others in needs.items():
        assert all(order.index(other) < order.index(name) for other in others)


def _goes_round(needs: dict[str, tuple[str, ...]]) -> bool:
    """Whether the standard library finds a circle."""
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError:
        return True
    return False


def test_a_circle_is_told_with_its_files(tmp_path: Path) -> None:
    """And with the line of the first."""
    for name, needed in (("a", "b"), ("b", "c"), ("c", "b")):
        text = f'environments = ["test"]\ndepends_on = ["{needed}"]\ndef seed(db): ...\n'
        (tmp_path / f"{name}.py").write_text(text)
    with pytest.raises(SeedLoadError, match=r"b\.py:2: waits for itself: .*b\.py → .*c\.py → .*b\.py"):
        load_seeds(tmp_path)


def test_a_name_that_is_none(tmp_path: Path) -> None:
    """With the file that asks, the file that is not there, and what was meant."""
    (tmp_path / "0001_users.py").write_text('environments = ["test"]\ndef seed(db): ...\n')
    text = 'environments = ["test"]\ndepends_on = ["0001_user"]\ndef seed(db): ...\n'
    (tmp_path / "0002_trips.py").write_text(text)
    with pytest.raises(
        SeedLoadError, match=r"0002_trips\.py:2: depends on '0001_user', and there is no .*0001_user\.py"
    ) as caught:
        load_seeds(tmp_path)
    assert caught.value.hint == "Did you mean '0001_users'?"


def test_an_environment_that_its_dependency_is_not_for() -> None:
    """It could never run there."""
    seeds = [seed("a", environments=(Environment.DEVELOPMENT,)), seed("b", depends_on=("a",))]
    with pytest.raises(SeedLoadError, match=r"is for test, and a\.py, which it depends on, is not"):
        in_order(seeds)


def test_names_with_all_that_they_need() -> None:
    """Through several steps."""
    seeds = [seed("a"), seed("b", depends_on=("a",)), seed("c", depends_on=("b",)), seed("d")]
    assert with_dependencies(seeds, ["c"]) == {"a", "b", "c"}
