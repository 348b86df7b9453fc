"""One mongod process: its command line, its start, its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import wayra_db
from wayra_db.errors import ServerError
from wayra_db.server.locks import FileLock, is_held
from wayra_db.server.paths import ServerPaths
from wayra_db.server.record import ServerRecord, load_record

REPLICA_SET = "wayra"
POLL_SECONDS = 0.005
_LARGEST_LOG_BYTES = 10_000_000
_KILL_SECONDS = 10.0


def arguments(record: ServerRecord, paths: ServerPaths) -> list[str]:
    """The command line of the server that `record` describes. A replica set, always: its writes survive `kill -9`."""
    listens_on = str(record.socket)
    network = ["--bind_ip", listens_on]
    if record.tcp:
        network = ["--bind_ip", f"{listens_on},127.0.0.1", "--port", str(record.port)]
    return [
        str(record.binary),
        "--dbpath", str(record.data_dir),
        *network,
        "--nounixsocket",  # the one in /tmp that is named after the port
        "--filePermissions", "0700",
        "--pidfilepath", str(paths.pid),
        "--replSet", REPLICA_SET,
        # An empty data folder of 11 MB instead of 315, and half the time to start.
        "--wiredTigerCacheSizeGB", "0.25",
        "--oplogSize", "64",
        "--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=10MB)",
        "--setParameter", "diagnosticDataCollectionEnabled=false",
        "--networkMessageCompressors", "snappy,zstd",  # without zlib: CVE-2025-14847
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Child:
    """A mongod that this process started: how it ended (None until then), and where its words begin in the log."""

    exit_code: Callable[[], int | None]
    log_offset: int


def spawn(record: ServerRecord, paths: ServerPaths, alive: FileLock) -> Child:
    """Start the server in a session of its own, so that it outlives this process and the terminal.

    `alive` is held by the caller; the child inherits it. Deletes the files that a dead server left: a process id read
    later is the new one's. Raises OSError.
    """
    paths.pid.unlink(missing_ok=True)
    record.socket.unlink(missing_ok=True)
    if paths.log.exists() and paths.log.stat().st_size > _LARGEST_LOG_BYTES:
        paths.log.replace(paths.log.with_suffix(".log.1"))
    log_offset = paths.log.stat().st_size if paths.log.exists() else 0
    process = _in_background(arguments(record, paths), paths, cwd=paths.root, inherits=(alive.fileno(),))
    return Child(process.poll, log_offset)


def spawn_watcher(paths: ServerPaths) -> None:
    """Start a watcher in the background; one that is not needed ends by itself. Raises OSError."""
    # `-m` looks in the working folder first: the watcher is of this very package, installed or not.
    package_parent = Path(wayra_db.__path__[0]).parent
    command = [sys.executable, "-m", "wayra_db.server.watcher", str(paths.root.parent)]
    _in_background(command, paths, cwd=package_parent)


def _in_background(
    command: list[str], paths: ServerPaths, *, cwd: Path, inherits: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    log = os.open(paths.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=cwd,
            pass_fds=inherits,
            start_new_session=True,
            umask=0o077,
        )
    finally:
        os.close(log)
    # Somebody has to collect its exit code if it ends before we do.
    threading.Thread(target=process.wait, name=f"wait for {process.pid}", daemon=True).start()
    return process


def terminate(paths: ServerPaths, timeout_seconds: float) -> None:
    """End the running server: ask, and after `timeout_seconds` kill. Returns when it is dead.

    For the holder of the start lock. Raises ServerError when it does not die.
    """
    asked = False
    deadline = time.monotonic() + timeout_seconds
    while is_held(paths.alive_lock) and time.monotonic() < deadline:
        # A server that was started a moment ago has not said its process id yet.
        if not asked and (pid := read_pid(paths)) is not None:
            kill(pid, signal.SIGTERM)
            asked = True
        time.sleep(POLL_SECONDS)
    deadline = time.monotonic() + _KILL_SECONDS
    while is_held(paths.alive_lock):
        if (pid := read_pid(paths)) is not None:
            kill(pid)
        if time.monotonic() > deadline:
            raise ServerError(f"the server does not end (process {pid})", hint=f"See {paths.log}")
        time.sleep(POLL_SECONDS)
    # A killed mongod leaves its socket behind, which may lie outside the state folder.
    record = load_record(paths)
    if record is not None and record.root == paths.root:
        record.socket.unlink(missing_ok=True)


def read_pid(paths: ServerPaths) -> int | None:
    """The process id that the server wrote when it started; None before that. Only worth something while it lives."""
    try:
        return int(paths.pid.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to the process `pid`, if there is one."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended between the two looks


def accepts_connections(path: Path) -> bool:
    """Whether something listens on the unix socket `path`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def choose_port(preferred: int | None) -> int:
    """`preferred` if it is free on the loopback address, else one that is."""
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerError("no free port on 127.0.0.1")


def text_from(path: Path, offset: int) -> str:
    """What stands in the file at `path` from byte `offset` on; empty when there is no such file."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def last_lines(path: Path, count: int) -> str:
    """The last `count` lines of the file at `path`; empty when there is no such file."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return "".join(deque(file, maxlen=count))
    except FileNotFoundError:
        return ""
