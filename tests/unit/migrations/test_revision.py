from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wayra_db.migrations.revision import current_commit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git(folder: Path, *arguments: str) -> str:
    """Run git."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=environ, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit and a folder in it."""
    folder = tmp_path / "repository"
    (folder / "project" / "migrations").mkdir(parents=True)
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_a_branch_packed_refs_a_detached_head_and_a_worktree(repository: Path, tmp_path: Path) -> None:
    """As git itself says, each time."""
    inside = repository / "project" / "migrations"
    expected = git(repository, "rev-parse", "HEAD")
    assert current_commit(inside) == expected
    git(repository, "pack-refs", "--all")
    assert current_commit(inside) == expected
    git(repository, "checkout", "-q", "--detach")
    assert current_commit(inside) == expected
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "other"))
    git(tmp_path / "other", "commit", "-q", "--allow-empty", "-m", "second")
    assert current_commit(tmp_path / "other") == git(tmp_path / "other", "rev-parse", "HEAD") != expected
    assert current_commit(inside) == expected
    git(repository, "pack-refs", "--all")
    assert current_commit(tmp_path / "other") == git(tmp_path / "other", "rev-parse", "HEAD")


@pytest.mark.parametrize("head", ["", "nonsense", "ref: refs/heads/none", "ref: ../../secret", "ref: HEAD", "ref:"])
def test_what_cannot_be_read_is_none(tmp_path: Path, head: str) -> None:
    """No commit yet, a broken file, a reference that leads out or in a circle: no error."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)
    assert current_commit(tmp_path) is None


def test_a_file_that_leads_nowhere(tmp_path: Path) -> None:
    """A work tree whose repository is gone, and bytes that are no text."""
    marker = tmp_path / ".git"
    marker.write_text("gitdir: /nowhere/at/all\n")
    assert current_commit(tmp_path) is None
    marker.write_bytes(b"\xff\xfe")
    assert current_commit(tmp_path) is None


def test_a_reference_to_a_hash_is_followed(tmp_path: Path) -> None:
    """By way of another reference."""
    (tmp_path / ".git" / "refs").mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/one\n")
    (tmp_path / ".git" / "refs" / "one").write_text("ref: refs/two\n")
    (tmp_path / ".git" / "refs" / "two").write_text(COMMIT + "\n")
    assert current_commit(tmp_path) == COMMIT
