"""Where the embedded server keeps its files, and the locks that say who is alive.

    <state folder>/server/       0700, its files 0600
    ├── start.lock     held alone while a server is started, replaced or stopped: one at a time
    ├── alive.lock     held alone by mongod itself, from its first moment to its last
    ├── lease.lock     held shared by each command that uses the server; touched when one begins or ends
    ├── watcher.lock   held alone by the one watcher
    ├── server.json    what was started, and where it listens (`record`)
    ├── mongod.pid     written by mongod when it starts
    ├── mongod.sock    the address, unless the path is too long for one
    ├── mongod.log     mongod's log; mongod.log.1 is the one before
    ├── binaries.json  what `mongod --version` said, so that it is asked once
    └── 6.0/data/      one data folder per major version: an older mongod refuses a newer one's data

`alive.lock` is inherited: whoever starts mongod opens and locks it, and mongod is born holding it. There is no moment
at which a mongod runs without it, as there is with the lock that mongod takes on its data folder a while later, and
asking who holds it cannot disturb a mongod that starts. A reused process id cannot fool it either.

Locks are taken in the order lease, start, alive; whoever holds `start` asks for a lease alone without waiting.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from wayra_db.errors import ServerStartError

# sun_path holds 104 bytes on macOS and 108 on Linux, and mongod wants room for its own checks.
LONGEST_SOCKET_PATH_BYTES = 100
# mongod splits --bind_ip at commas and a member's host at colons.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+-]+")


@dataclass(frozen=True, slots=True)
class ServerPaths:
    """The files of one project's embedded server, all below `root`."""

    root: Path

    @classmethod
    def of(cls, state_dir: Path) -> ServerPaths:
        """The files of the project whose state folder is `state_dir`."""
        return cls(state_dir.absolute() / "server")

    @property
    def start_lock(self) -> Path:
        """Serializes starting and stopping."""
        return self.root / "start.lock"

    @property
    def alive_lock(self) -> Path:
        """Held by mongod for as long as it lives."""
        return self.root / "alive.lock"

    @property
    def lease_lock(self) -> Path:
        """Held shared by the server's users."""
        return self.root / "lease.lock"

    @property
    def watcher_lock(self) -> Path:
        """Held by the watcher."""
        return self.root / "watcher.lock"

    @property
    def record(self) -> Path:
        """What was started last."""
        return self.root / "server.json"

    @property
    def pid(self) -> Path:
        """Written by mongod itself."""
        return self.root / "mongod.pid"

    @property
    def log(self) -> Path:
        """mongod's log."""
        return self.root / "mongod.log"

    @property
    def binaries(self) -> Path:
        """Remembered answers of `mongod --version`."""
        return self.root / "binaries.json"

    def data(self, major: str) -> Path:
        """The data folder of one major version, such as "6.0"."""
        return self.root / major / "data"

    def create(self) -> None:
        """Make the folder, closed to other users and to git, if it is not there. Raises OSError."""
        if self.root.is_dir():
            return
        self.root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.mkdir(mode=0o700, exist_ok=True)
        write_private(self.root / ".gitignore", "*\n")


def socket_path(root: Path, *, runtime_folder: Path) -> Path:
    """The unix socket for the server below `root`: inside it, or in `runtime_folder` when that path would not do."""
    inside = root / "mongod.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH_BYTES and _PLAIN_PATH.fullmatch(str(inside)):
        return inside
    return runtime_folder / f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.sock"


def runtime_folder(user_id: int, temporary: Path | None = None) -> Path:
    """This user's private folder for sockets, below the temporary folder. Nothing is created."""
    folder = temporary or Path(tempfile.gettempdir())
    if len(os.fsencode(folder)) > LONGEST_SOCKET_PATH_BYTES - 50 or not _PLAIN_PATH.fullmatch(str(folder)):
        folder = Path("/tmp")  # noqa: S108  # the folder made in it is checked by `create_private_folder`
    return folder / f"wayra-db-{user_id}"


def create_private_folder(folder: Path, user_id: int) -> None:
    """Make `folder` with mode 0700; refuse one that is a link, somebody else's or open to others.

    The temporary folder is shared: whoever made the folder first could listen in our place.
    Raises ServerStartError, OSError.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user_id or stat.S_IMODE(found.st_mode) & 0o077:
        raise ServerStartError(
            f"{folder} is not a private folder of this user",
            hint=f"Look at who made {folder} and remove it, or move the project to a shorter path.",
        )


def write_private(path: Path, content: str) -> None:
    """Write a file that only this user can read, whole or not at all. Raises OSError."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    beside.replace(path)


def socket_uri(path: Path) -> str:
    """The connection string of the server that listens on the socket `path`.

    A direct connection: the server's own name for itself, which discovery would use, comes back in lower case.
    """
    return f"mongodb://{quote(str(path), safe='')}/?directConnection=true"


def tcp_uri(port: int) -> str:
    """The connection string of the server that listens on `port` of the loopback address."""
    return f"mongodb://127.0.0.1:{port}/?directConnection=true"
