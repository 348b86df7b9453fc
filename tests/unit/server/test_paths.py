from __future__ import annotations

import os
from pathlib import Path

import pytest

from wayra_db.errors import ServerStartError
from wayra_db.server.paths import (
    LONGEST_SOCKET_PATH_BYTES,
    ServerPaths,
    create_private_folder,
    runtime_folder,
    socket_path,
    socket_uri,
    write_private,
)

RUNTIME = Path("/tmp/wayra-db-1000")


@pytest.mark.parametrize(
    ("root", "inside"),
    [
        ("/home/ana/shop/.wayra/server", True),
        ("/" + "a" * (LONGEST_SOCKET_PATH_BYTES - len("//mongod.sock")), True),
        ("/" + "a" * (LONGEST_SOCKET_PATH_BYTES - len("//mongod.sock") + 1), False),
        ("/home/ana/my shop/.wayra/server", False),
        ("/home/ana/a,b/.wayra/server", False),
        ("/home/ana/a:b/.wayra/server", False),
        ("/home/añá/.wayra/server", False),
    ],
)
def test_the_socket_lies_in_the_project_when_its_path_will_do(root: str, inside: bool) -> None:
    """Short, plain paths hold the socket; others have it in the runtime folder, under a short name."""
    path = socket_path(Path(root), runtime_folder=RUNTIME)
    assert path.parent == (Path(root) if inside else RUNTIME)
    assert len(os.fsencode(path)) <= LONGEST_SOCKET_PATH_BYTES


def test_two_projects_have_two_sockets_in_the_runtime_folder() -> None:
    """The short name belongs to the project's path."""
    names = {socket_path(Path("/" + letter * 200), runtime_folder=RUNTIME).name for letter in "ab"}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("temporary", "folder"),
    [
        ("/tmp", "/tmp/wayra-db-7"),
        ("/var/folders/ab/cdefgh/T", "/var/folders/ab/cdefgh/T/wayra-db-7"),
        ("/" + "long/" * 20, "/tmp/wayra-db-7"),
        ("/with space", "/tmp/wayra-db-7"),
    ],
)
def test_the_runtime_folder_is_short_and_plain(temporary: str, folder: str) -> None:
    """A temporary folder that would not do for a socket is not used for one."""
    assert runtime_folder(7, Path(temporary)) == Path(folder)


def test_the_private_folder_is_made_private_and_found_again(tmp_path: Path) -> None:
    """Made with mode 0700 the first time, accepted the second."""
    folder = tmp_path / "private"
    for _ in range(2):
        create_private_folder(folder, os.getuid())
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_control_is_refused(tmp_path: Path) -> None:
    """Somebody else's folder, one open to others, a link: none is listened in."""
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(mine)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o770)
    for folder, user_id in [(mine, os.getuid() + 1), (link, os.getuid()), (shared, os.getuid())]:
        with pytest.raises((ServerStartError, FileExistsError)):
            create_private_folder(folder, user_id)


def test_the_state_folder_is_private_and_unseen_by_git(tmp_path: Path) -> None:
    """It is closed to other users and ignores itself."""
    paths = ServerPaths.of(tmp_path / "project" / ".wayra")
    paths.create()
    assert [path.stat().st_mode & 0o777 for path in (paths.root.parent, paths.root)] == [0o700, 0o700]
    assert (paths.root / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    """The content is new, the mode 0600, and nothing is left beside it."""
    path = tmp_path / "file"
    for content in ("one", "two"):
        write_private(path, content)
    assert path.read_text(encoding="utf-8") == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_uri_is_a_direct_connection_to_the_socket() -> None:
    """Slashes are encoded, and discovery, which would lower-case the path, is off."""
    assert socket_uri(Path("/Home/x.sock")) == "mongodb://%2FHome%2Fx.sock/?directConnection=true"
