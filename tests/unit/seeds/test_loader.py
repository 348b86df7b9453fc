from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from wayra_db.environment import Environment
from wayra_db.errors import SeedLoadError
from wayra_db.seeds.loader import load_seeds, read_seed

LEAST = 'environments = ["development"]\ndef seed(db): ...\n'


def written(folder: Path, name: str, source: str = LEAST) -> Path:
    """A file with a source text, dedented."""
    path = folder / name
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return path


def test_everything_a_file_says(tmp_path: Path) -> None:
    """Environments, flags, description, the shape of the function, what cannot join a transaction."""
    path = written(
        tmp_path,
        "0002_users.py",
        """\
        environments = ("test", "development")
        required = True
        description = "Some users"
        transactional = False

        async def seed(db, ctx):
            await db.users.drop()
        """,
    )
    seed = read_seed(path)
    assert (seed.name, seed.path) == ("0002_users", path)
    assert seed.environments == (Environment.TEST, Environment.DEVELOPMENT)
    assert (seed.required, seed.description, seed.transactional) == (True, "Some users", False)
    assert (seed.is_async, seed.takes_context) == (True, True)
    assert seed.blockers == ("drop (line 7)",)


def test_the_least_a_file_can_say(tmp_path: Path) -> None:
    """Everything else has its default."""
    seed = read_seed(written(tmp_path, "users.py"))
    assert (seed.required, seed.description, seed.transactional) == (False, "", None)
    assert (seed.is_async, seed.takes_context, seed.blockers) == (False, False, ())


def test_a_folder_in_the_order_of_names(tmp_path: Path) -> None:
    """Helpers and other files are left alone, and nothing is executed."""
    for name in ("b.py", "a.py", "0001_first.py"):
        written(tmp_path, name, f"{LEAST}raise SystemExit\n")
    for name in ("_common.py", "README.md"):
        written(tmp_path, name, "not a seed(")
    assert [seed.name for seed in load_seeds(tmp_path)] == ["0001_first", "a", "b"]


@pytest.mark.parametrize("missing", [True, False])
def test_no_seeds(tmp_path: Path, missing: bool) -> None:
    """A missing folder and an empty one hold none."""
    assert load_seeds(tmp_path / "seeds" if missing else tmp_path) == ()


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ('environments = ["test"]\n', None, "has no `seed` function"),
        ('environments = ["test"]\ndef seed(): ...\n', 2, "`seed` takes no database"),
        ("def seed(db): ...\n", None, "does not say for which environments"),
        ("environments = []\ndef seed(db): ...\n", 1, "must be a list, written out"),
        ("environments = 'test'\ndef seed(db): ...\n", 1, "must be a list, written out"),
        ("environments = {'test'}\ndef seed(db): ...\n", 1, "must be a list, written out"),
        ("environments = list(ALL)\ndef seed(db): ...\n", 1, "must be a list, written out"),
        ("environments = ['staging']\ndef seed(db): ...\n", 1, "'staging' is no environment"),
        ("environments = ['Test']\ndef seed(db): ...\n", 1, "'Test' is no environment"),
        ("environments = ['test', ['test']]\ndef seed(db): ...\n", 1, "['test'] is no environment"),
        ("environments = [None]\ndef seed(db): ...\n", 1, "None is no environment"),
        ("environments = ['test', 'production']\ndef seed(db): ...\n", 1, "seeds never run in production"),
        (LEAST + "required = 1\n", 3, "`required` must be a bool, written out"),
        (LEAST + "required = not False\n", 3, "`required` must be a bool, written out"),
        (LEAST + "description = 3\n", 3, "`description` must be a str, written out"),
        (LEAST + "transactional = 0\n", 3, "`transactional` must be a bool, written out"),
        ("def seed(db:\n", 1, "syntax error"),
    ],
)
def test_files_that_are_no_seeds(tmp_path: Path, source: str, line: int | None, message: str) -> None:
    """Each mistake with file, line and a hint; exit code 12."""
    path = written(tmp_path, "users.py", source)
    with pytest.raises(SeedLoadError) as caught:
        load_seeds(tmp_path)
    assert message in caught.value.message
    assert (caught.value.path, caught.value.line) == (path, line)
    assert caught.value.hint
    assert caught.value.exit_code == 12
