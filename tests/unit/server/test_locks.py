from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from wayra_db.server.locks import FileLock, is_held, is_in_use


def test_one_holds_it_alone(tmp_path: Path) -> None:
    """A second holder is refused until the first lets go."""
    path = tmp_path / "lock"
    with FileLock(path) as first, FileLock(path) as second:
        assert first.acquire()
        assert not second.acquire()
        assert not second.acquire(shared=True, timeout_seconds=0.02)
        assert second.is_held_alone_elsewhere()
        first.close()
        assert not second.is_held_alone_elsewhere()
        assert second.acquire()


def test_many_share_it(tmp_path: Path) -> None:
    """Shared holders go together and keep one away who wants it alone."""
    path = tmp_path / "lock"
    with FileLock(path) as first, FileLock(path) as second, FileLock(path) as third:
        assert first.acquire(shared=True)
        assert second.acquire(shared=True)
        assert not third.acquire()
        assert not third.is_held_alone_elsewhere()


def test_looking_tells_alone_from_shared_and_changes_nothing(tmp_path: Path) -> None:
    """The two questions, asked of a free, a shared and an exclusive lock, and of no file."""
    path = tmp_path / "lock"
    assert not is_held(path)
    assert not is_in_use(path)
    assert not path.exists()
    with FileLock(path) as lock:
        assert (is_held(path), is_in_use(path)) == (False, False)
        lock.acquire(shared=True)
        assert (is_held(path), is_in_use(path)) == (False, True)
        lock.acquire()
        assert (is_held(path), is_in_use(path)) == (True, True)


def test_the_file_is_private(tmp_path: Path) -> None:
    """A lock file is made for its owner only."""
    with FileLock(tmp_path / "lock"):
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_child_that_inherits_it_holds_it_until_it_dies(tmp_path: Path) -> None:
    """The lock outlives its taker's descriptor in a child, and ends with the child, even by kill -9."""
    path = tmp_path / "lock"
    with FileLock(path) as lock:
        assert lock.acquire()
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock.fileno(),))
    assert is_held(path)
    child.kill()
    child.communicate()
    assert not is_held(path)


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    """A closed lock stays closed."""
    lock = FileLock(tmp_path / "lock")
    lock.close()
    lock.close()
    assert lock.closed
