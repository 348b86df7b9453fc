from __future__ import annotations

import os
from pathlib import Path

import pytest

from wayra_db.errors import MigrationLoadError, VersionNotFoundError
from wayra_db.migrations import latest
from wayra_db.migrations.renumber import Numbered, apply_moves, plan_moves, read_numbered


def numbered(name: str, created: str = "") -> Numbered:
    """A file by its name."""
    return Numbered(Path(name), int(name.partition("_")[0]), created)


@pytest.mark.parametrize(
    ("files", "chosen", "moves"),
    [
        ([], [], []),
        ([numbered("0001_a.py"), numbered("0002_b.py")], [], []),
        ([numbered("0001_a.py", "2"), numbered("0001_b.py", "1"), numbered("0002_c.py")], [], ["0003_a.py"]),
        ([numbered("0001_a.py", "1"), numbered("0001_b.py", "3"), numbered("0001_c.py", "2")], [],
         ["0002_c.py", "0003_b.py"]),
        ([numbered("0001_a.py"), numbered("0002_b.py"), numbered("0003_c.py")], ["0001_a.py"], ["0004_a.py"]),
        ([numbered("0001_a.py"), numbered("0002_b.py")], ["0002_b.py"], []),
    ],
)  # fmt: skip
def test_what_moves(files: list[Numbered], chosen: list[str], moves: list[str]) -> None:
    """Of each number all but the oldest, or what was chosen, goes behind all others."""
    assert [move.target.name for move in plan_moves(files, [Path(name) for name in chosen])] == moves


def test_a_file_that_is_none() -> None:
    """Says which there are."""
    with pytest.raises(VersionNotFoundError, match=r"0009_x\.py is no migration") as caught:
        plan_moves([numbered("0001_a.py")], [Path("0009_x.py")])
    assert "0001_a.py" in caught.value.hint


def write(folder: Path, name: str, created: str) -> None:
    """A migration file with its header."""
    version = int(name.partition("_")[0])
    text = f'"""\r\nMigration: {name}\r\nVersion: {version}\r\nCreated: {created}\r\n"""\r\n# Version: 77 stays\r\n'
    (folder / name).write_bytes(text.encode())


def after_a_merge(folder: Path) -> None:
    """Two branches have each added number 2."""
    write(folder, "0001_a.py", "2026-01-01")
    write(folder, "0002_b.py", "2026-01-03")
    write(folder, "0002_c.py", "2026-01-02")


def listing(folder: Path) -> dict[str, str]:
    """The files, and what they hold."""
    return {path.name: path.read_bytes().decode() for path in sorted(folder.iterdir())}


def test_files_are_renamed_and_their_headers_agree(tmp_path: Path) -> None:
    """The rest of each file stays to the byte, with its mode; `latest.txt` names the newest."""
    after_a_merge(tmp_path)
    (tmp_path / "0002_b.py").chmod(0o640)
    before = listing(tmp_path)
    apply_moves(tmp_path, plan_moves(read_numbered(tmp_path)))
    found = listing(tmp_path)
    assert found == {
        "0001_a.py": before["0001_a.py"],
        "0002_c.py": before["0002_c.py"],
        "0003_b.py": before["0002_b.py"].replace("Version: 2", "Version: 3"),
        "latest.txt": "0003_b.py\n",
    }
    assert (tmp_path / "0003_b.py").stat().st_mode & 0o777 == 0o640
    assert plan_moves(read_numbered(tmp_path)) == ()


@pytest.mark.parametrize("step", range(1, 6))
def test_cut_off_at_any_step_it_is_finished_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Also between the new name and the end of the old: no migration is lost, none is there twice."""

    class CutOffError(Exception):
        pass

    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
        after_a_merge(tmp_path / name)
    apply_moves(tmp_path / "whole", plan_moves(read_numbered(tmp_path / "whole")))
    cut, done = tmp_path / "cut", 0

    def limit(function: object) -> object:
        def limited(*arguments: object, **options: object) -> object:
            nonlocal done
            done += 1
            if done == step:
                raise CutOffError
            return function(*arguments, **options)  # type: ignore[operator]

        return limited

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", limit(os.link))
        patch.setattr(Path, "unlink", limit(Path.unlink))
        patch.setattr(Path, "replace", limit(Path.replace))
        if step <= 4:
            with pytest.raises(CutOffError):
                apply_moves(cut, plan_moves(read_numbered(cut)))
    apply_moves(cut, plan_moves(read_numbered(cut)))
    left = {name: text for name, text in listing(cut).items() if not name.startswith(".")}
    assert left == listing(tmp_path / "whole")


def test_it_overwrites_nothing(tmp_path: Path) -> None:
    """A file that has come meanwhile to the new name is kept, and so is the old one."""
    after_a_merge(tmp_path)
    moves = plan_moves(read_numbered(tmp_path))
    (tmp_path / "0003_b.py").write_text("mine")
    with pytest.raises(FileExistsError):
        apply_moves(tmp_path, moves)
    assert (tmp_path / "0003_b.py").read_text() == "mine"
    assert (tmp_path / "0002_b.py").exists()


@pytest.mark.parametrize(
    ("text", "newest", "said"),
    [
        (None, None, ""),
        (None, "0001_a.py", "is missing"),
        ("0001_a.py\n", "0001_a.py", ""),
        ("0001_a.py\r\n", "0001_a.py", ""),
        ("0002_b.py", "0001_a.py", "names '0002_b.py' and not 0001_a.py"),
        ("<<<<<<< HEAD\n0002_b.py\n=======\n0002_c.py\n>>>>>>> x\n", "0002_c.py", "merge conflict"),
    ],
)
def test_latest(tmp_path: Path, text: str | None, newest: str | None, said: str) -> None:
    """What is wrong with it, if anything."""
    if text is not None:
        (tmp_path / latest.FILE).write_bytes(text.encode())
    problem = latest.problem(tmp_path, Path(newest) if newest else None)
    assert (said in problem) if said else problem == ""


def test_a_conflict_in_latest_is_refused_and_another_name_is_not(tmp_path: Path) -> None:
    """Only the marks of a conflict."""
    latest.require_settled(tmp_path)
    latest.write(tmp_path, Path("0001_a.py"))
    latest.require_settled(tmp_path)
    (tmp_path / latest.FILE).write_text("<<<<<<< HEAD\n")
    with pytest.raises(MigrationLoadError, match="merge conflict"):
        latest.require_settled(tmp_path)
