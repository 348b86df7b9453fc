"""Real servers for tests, which end with the process that started them."""

from __future__ import annotations

import base64
import functools
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wayra_db._testing import supervise
from wayra_db._testing.deployment import ServerUnderTest
from wayra_db.errors import ServerStartError
from wayra_db.server.diagnosis import diagnose, last_words
from wayra_db.server.locate import MongodBinary, find_mongod
from wayra_db.server.mongod import choose_port, last_lines
from wayra_db.server.replica_set import ensure_primary

REPLICA_SET = "wayra"
START_SECONDS = 60.0
_POLL_SECONDS = 0.005
_PORT_ATTEMPTS = 5
_ROOM_BYTES_PER_NODE = 300_000_000
_USER = "root"
_PARAMETERS: Mapping[str, Any] = {
    "enableTestCommands": 1,
    "ttlMonitorSleepSecs": 1,
    "diagnosticDataCollectionEnabled": "false",
}
_ARGUMENTS = (
    "--bind_ip", "127.0.0.1",
    "--nounixsocket",
    "--oplogSize", "64",
    "--wiredTigerCacheSizeGB", "0.25",
    "--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=10MB)",
    "--journalCommitInterval", "1",
    "--networkMessageCompressors", "snappy,zstd",
)  # fmt: skip


class Node:
    """One mongod of a temporary server, at `host`; its data stays while it is down."""

    def __init__(self, command: Sequence[str], folder: Path, number: int) -> None:
        self._command = command
        self._folder = folder
        self._data = folder / f"data{number}"
        self.log_path = folder / f"mongod{number}.log"
        self.port = 0
        self.pid = 0
        self._supervisor: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """Its address, as the replica set has it."""
        return f"127.0.0.1:{self.port}"

    def is_running(self) -> bool:
        """Whether it lives; a paused one does."""
        return self._supervisor is not None and not _readable(self._supervisor)

    def start(self) -> None:
        """Start it, on its data and its port if it had them, and wait until it listens. Raises ServerStartError."""
        self._data.mkdir(mode=0o700, exist_ok=True)
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            settled = self.port != 0
            self.port = self.port or choose_port(None)
            self._spawn()
            exit_code = self._wait_until_it_listens()
            if exit_code is None:
                return
            log = last_lines(self.log_path, 200)
            diagnosis = diagnose(exit_code, log)
            if settled or not diagnosis.port_taken or attempt == _PORT_ATTEMPTS:
                raise ServerStartError(
                    f"mongod did not start: {diagnosis.reason}", log_tail=last_words(log), hint=diagnosis.hint
                )
            self.port = 0

    def kill(self) -> None:
        """End it as by `kill -9`; returns when it is dead."""
        self._end("kill")

    def stop(self) -> None:
        """End it cleanly; returns when it has ended."""
        self._end("stop")

    def restart(self) -> None:
        """Kill it if it lives, and start it on the same data and port."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Stop its clock (SIGSTOP): connections stay open and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run on after `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Kill it if it lives and delete the folder of the whole server."""
        self._end("")

    def _spawn(self) -> None:
        self.kill()
        self._supervisor = subprocess.Popen(
            [
                sys.executable, "-I", "-S", supervise.__file__, str(self._folder), str(self.log_path),
                *self._command, "--dbpath", str(self._data), "--port", str(self.port),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            umask=0o077,
            start_new_session=True,
        )  # fmt: skip
        self.pid = _read_number(self._supervisor)

    def _wait_until_it_listens(self) -> int | None:
        """None when it does, its exit code when it ended."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._supervisor is not None and _readable(self._supervisor):
                return _read_number(self._supervisor)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return None
            time.sleep(_POLL_SECONDS)
        raise ServerStartError("mongod does not listen", log_tail=last_lines(self.log_path, 20))

    def _end(self, order: str) -> None:
        if self._supervisor is None:
            return
        self._supervisor.communicate(f"{order}\n".encode() if order else None)
        self._supervisor = None


class TemporaryServer(ServerUnderTest):
    """A server made by `temporary_server`: a standalone or a replica set of `nodes`.

    `username` and `password` are those of its root user, None without `auth`; `uri` has them in it.
    """

    def __init__(self, nodes: Sequence[Node], *, replica_set: bool, username: str | None, password: str | None) -> None:
        credentials = f"{username}:{password}@" if username else ""
        options = ([f"replicaSet={REPLICA_SET}"] if replica_set else []) + (["authSource=admin"] if username else [])
        super().__init__(f"mongodb://{credentials}{','.join(node.host for node in nodes)}/?{'&'.join(options)}")
        self.nodes = tuple(nodes)
        self.username = username
        self.password = password

    def primary(self, *, timeout_seconds: float = 30.0) -> Node:
        """The node that accepts writes now, waiting for an election. Raises ServerStartError when there is none."""
        from pymongo.errors import PyMongoError

        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            for node in self.nodes:
                if not node.is_running():
                    continue
                try:
                    if _hello(node)["isWritablePrimary"]:
                        return node
                except PyMongoError:
                    continue
            time.sleep(_POLL_SECONDS)
        raise ServerStartError(f"no node became primary within {timeout_seconds:.0f} seconds")


@contextmanager
def temporary_server(
    *,
    nodes: int = 1,
    replica_set: bool = True,
    auth: bool = False,
    extra_args: Sequence[str] = (),
    set_parameters: Mapping[str, Any] | None = None,
    directory: Path | None = None,
    mongod: str | None = None,
) -> Iterator[TemporaryServer]:
    """A real mongod for the block, ready for writes: a replica set of `nodes`, or a standalone.

    `auth` makes a root user with a random password. `extra_args` and `set_parameters` go to mongod, after those that
    make it small, quick and able to fail on demand. The data lies in a new folder in `directory`, by default in memory
    where there is room, and is deleted with the server, also when this process is killed. `mongod` names the binary;
    without it WAYRA_TEST_MONGOD does, or it is found as the embedded server's is. Raises MongodNotFoundError,
    ServerStartError.
    """
    if nodes > 1 and not replica_set:
        raise ValueError("several nodes are a replica set")
    binary = _binary(mongod or os.environ.get("WAYRA_TEST_MONGOD"), os.environ.get("PATH"))
    folder = Path(tempfile.mkdtemp(prefix="wayra-test-", dir=directory or _roomy_folder(nodes)))
    command = [str(binary.path), *_ARGUMENTS]
    for name, value in {**_PARAMETERS, **(set_parameters or {})}.items():
        command += ["--setParameter", f"{name}={value}"]
    if replica_set:
        command += ["--replSet", REPLICA_SET]
    if auth:
        command += ["--auth", *(["--keyFile", str(_key_file(folder))] if replica_set else [])]
    command += extra_args
    members = [Node(command, folder, number) for number in range(nodes)]
    try:
        for member in members:
            member.start()
        if replica_set:
            _initiate(members)
        password = secrets.token_urlsafe(12) if auth else None
        server = TemporaryServer(members, replica_set=replica_set, username=_USER if auth else None, password=password)
        if auth:
            _create_root_user(server.primary(), password)
        yield server
    finally:
        for member in members:
            member.close()
        shutil.rmtree(folder, ignore_errors=True)  # also when no node ever started


@functools.cache
def _binary(setting: str | None, search_path: str | None) -> MongodBinary:
    return find_mongod(setting=setting, search_path=search_path)


def _roomy_folder(nodes: int) -> Path:
    memory = Path("/dev/shm")  # noqa: S108  # mkdtemp makes a private folder in it
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > nodes * _ROOM_BYTES_PER_NODE:
        return memory
    return Path(tempfile.gettempdir())


def _key_file(folder: Path) -> Path:
    path = folder / "key"
    path.touch(mode=0o600)
    path.write_bytes(base64.b64encode(secrets.token_bytes(96)))
    return path


def _initiate(members: Sequence[Node]) -> None:
    """Make the nodes a replica set and wait until each of them is a working member."""
    deadline = time.monotonic() + START_SECONDS
    quick = {"electionTimeoutMillis": 500, "heartbeatIntervalMillis": 100}
    ensure_primary(
        f"mongodb://{members[0].host}/",
        name=REPLICA_SET,
        hosts=[member.host for member in members],
        deadline=deadline,
        is_alive=members[0].is_running,
        settings=quick if len(members) > 1 else None,
    )
    waiting = list(members)
    while waiting and time.monotonic() < deadline:
        waiting = [member for member in waiting if not _is_working(_hello(member))]
        time.sleep(_POLL_SECONDS if waiting else 0)
    if waiting:
        raise ServerStartError(f"{waiting[0].host} did not join the replica set")


def _is_working(hello: Mapping[str, Any]) -> bool:
    return bool(hello["isWritablePrimary"] or hello.get("secondary"))


def _hello(node: Node) -> dict[str, Any]:
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]] = MongoClient(
        node.host, directConnection=True, serverSelectionTimeoutMS=1000, socketTimeoutMS=1000
    )
    with client:
        return client.admin.command("hello")


def _create_root_user(primary: Node, password: str | None) -> None:
    """Make the first user, which a server without any lets a local client do."""
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]] = MongoClient(primary.host, directConnection=True)
    with client:
        client.admin.command("createUser", _USER, pwd=password, roles=["root"])


def _readable(supervisor: subprocess.Popen[bytes]) -> bool:
    assert supervisor.stdout is not None  # noqa: S101  # it is a pipe
    return bool(select.select([supervisor.stdout], [], [], 0)[0])


def _read_number(supervisor: subprocess.Popen[bytes]) -> int:
    assert supervisor.stdout is not None  # noqa: S101  # it is a pipe
    return int(supervisor.stdout.readline())
