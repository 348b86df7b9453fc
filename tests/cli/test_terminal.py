from __future__ import annotations

import os
import pty
import re
import select
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.cli.conftest import Cli
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode

Documents = Database[dict[str, Any]]
STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """The command line in a process of its own on a pseudo-terminal; standard output may go to a file instead."""

    def __init__(self, sandbox: Sandbox, *arguments: str, stdout: Path | None = None, **environ: str) -> None:
        self.text = ""
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            code = "import sys; from wayra_db.cli import main; main(sys.argv[1:])"
            command = [sys.executable, "-c", code, "--project", str(sandbox.folder), *arguments]
            if stdout is not None:
                os.dup2(os.open(stdout, os.O_WRONLY | os.O_CREAT), 1)
            surroundings = {"PATH": os.environ["PATH"], "TERM": "xterm", **sandbox.environ(**environ)}
            os.execve(sys.executable, command, surroundings)

    def read_until(self, words: str) -> None:
        """Wait until the terminal shows these words."""
        while words not in self.text:
            assert self._read(), self.text

    def type(self, line: str) -> None:
        """What a person types."""
        os.write(self._terminal, f"{line}\n".encode())

    def end(self) -> int:
        """Wait for the end; the exit code."""
        while self._read():
            pass
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _read(self) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], 60)
        assert ready, f"nothing for a minute after: {self.text}"
        try:
            piece = os.read(self._terminal, 4096)
        except OSError:  # the other side is gone
            return False
        self.text += piece.decode()
        return bool(piece)


@pytest.fixture
def seeded(sandbox: Sandbox, cli: Cli) -> Sandbox:
    """An initialised project with two users."""
    assert cli("init").code == ExitCode.OK
    return sandbox


@pytest.mark.parametrize("command", ["reset", "clear", "init --reset"])
@pytest.mark.parametrize("answer", ["wrong", "", "yes"])
def test_a_wrong_answer_changes_nothing(seeded: Sandbox, wayra_database: Documents, command: str, answer: str) -> None:
    """The database's own name is asked for, and nothing else will do."""
    terminal = Terminal(seeded, *command.split())
    terminal.read_until(f"Type {seeded.database} to go on")
    terminal.type(answer)
    assert terminal.end() == ExitCode.FAILED
    assert "not confirmed; nothing was changed" in terminal.text
    assert wayra_database.users.count_documents({}) == 2


def test_the_right_answer_resets(seeded: Sandbox, wayra_database: Documents) -> None:
    """What will be dropped is said first; then it is dropped and everything made again."""
    wayra_database.users.insert_one({"email": "third@example.com"})
    terminal = Terminal(seeded, "reset")
    terminal.read_until("2 collections")
    terminal.read_until("4 documents")
    terminal.read_until("to go on")
    terminal.type(seeded.database)
    assert terminal.end() == ExitCode.OK
    assert wayra_database.users.count_documents({}) == 2


def test_ctrl_c_at_the_question(seeded: Sandbox, wayra_database: Documents) -> None:
    """As an interrupt, without a traceback."""
    terminal = Terminal(seeded, "reset")
    terminal.read_until("to go on")
    os.write(terminal._terminal, b"\x03")
    assert terminal.end() == ExitCode.INTERRUPTED
    assert "Traceback" not in terminal.text
    assert wayra_database.users.count_documents({}) == 2


@pytest.mark.parametrize("command", ["status", "init", "migrate status", "config show"])
def test_colours_on_a_terminal_only(seeded: Sandbox, cli: Cli, command: str) -> None:
    """Not into a pipe, and not with NO_COLOR."""
    coloured = Terminal(seeded, *command.split())
    assert coloured.end() == ExitCode.OK
    assert STYLE.search(coloured.text)
    plain = Terminal(seeded, *command.split(), NO_COLOR="1")
    assert plain.end() == ExitCode.OK
    assert not STYLE.search(plain.text)
    piped = cli(*command.split())
    assert "\x1b" not in piped.stdout + piped.stderr


def test_errors_in_colour(offline: Sandbox) -> None:
    """The word `error` stands out; NO_COLOR is honoured here too."""
    coloured, plain = Terminal(offline, "nonsense"), Terminal(offline, "nonsense", NO_COLOR="1")
    assert coloured.end() == plain.end() == ExitCode.USAGE
    assert STYLE.search(coloured.text)
    assert "\x1b" not in plain.text


def test_progress_of_long_work(sandbox: Sandbox) -> None:
    """A bar with the count on a terminal."""
    sandbox.write(
        "migrations/0001_long.py",
        "def up(db, ctx):\n    for done in range(0, 1001, 100):\n        ctx.progress(done, 1000)\n"
        "    import time\n    time.sleep(0.3)\n",
    )
    terminal = Terminal(sandbox, "migrate")
    assert terminal.end() == ExitCode.OK
    assert "1,000/1,000" in terminal.text
    assert "documents" in terminal.text


def test_results_go_to_stdout_while_progress_is_shown(seeded: Sandbox, tmp_path: Path) -> None:
    """Bars on the terminal, the result and what a migration prints whole in the file that the user named."""
    seeded.write(
        "migrations/0003_loud.py",
        "def up(db, ctx):\n    print('printed')\n    ctx.progress(1, 2)\n    print('once more')\n",
    )
    out = tmp_path / "out"
    terminal = Terminal(seeded, "migrate", stdout=out)
    assert terminal.end() == ExitCode.OK
    assert "1/2" in terminal.text
    assert out.read_text() == "printed\nonce more\nApplied 1 migration.\n"
    terminal = Terminal(seeded, "clear", "--yes", stdout=out)
    assert terminal.end() == ExitCode.OK
    assert "users" in terminal.text  # the bar
    assert "2 documents deleted" in out.read_text()
    assert "deleted" not in terminal.text


def test_progress_into_a_pipe(cli: Cli, sandbox: Sandbox) -> None:
    """Plain lines, the last one always."""
    sandbox.write(
        "migrations/0003_long.py",
        "def up(db, ctx):\n    for done in range(0, 1001, 100):\n        ctx.progress(done, 1000)\n",
    )
    ended = cli("migrate")
    lines = [line for line in ended.stderr.splitlines() if "0003 long:" in line]
    assert len(lines) == 1
    assert "1,000/1,000 documents (100%)" in lines[0]


def test_quiet(cli: Cli, sandbox: Sandbox) -> None:
    """Results, warnings and errors; nothing else."""
    loud = cli("init")
    assert "Indexes" in loud.stderr
    assert "Try next" in loud.stderr
    sandbox.write("scripts/seeds/0002_broken.py", "environments = ['development']\ndef seed(db):\n    1 / 0\n")
    ended = cli("seed", "--quiet")
    assert ended.code == ExitCode.OK
    assert ended.stderr.startswith("warning: seed 0002_broken failed")
    assert len(ended.stderr.splitlines()) == 1
    again = cli("init", "--quiet", "--reset", "--yes")
    assert again.stdout.startswith("Ready:")
    assert [line for line in again.stderr.splitlines() if not line.startswith("warning: ")] == []


def test_verbose(cli: Cli) -> None:
    """What begins, and the lock."""
    assert "lock acquired, epoch" not in cli("init").stderr
    text = cli("--verbose", "init", "--reset", "--yes").stderr
    assert "lock acquired, epoch" in text
    assert "migration 0001 step begins" in text


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_debug(cli: Cli, sandbox: Sandbox, how: str) -> None:
    """Every server command without its values, and the traceback of an error; without it, never a traceback."""
    sandbox.migration(3, "db.users.insert_one({'email': 'private@example.com'}); raise ValueError('by hand')")
    shown = cli("migrate", "--debug") if how == "flag" else cli("migrate", DEBUG="wayra:*")
    assert "ms  insert " in shown.stderr
    assert "Traceback (most recent call last)" in shown.stderr
    assert "private@example.com" not in shown.stderr.partition("Traceback")[0]
    hidden = cli("migrate")
    assert "Traceback" not in hidden.stderr
    assert "ms  insert" not in hidden.stderr
