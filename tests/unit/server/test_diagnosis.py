from __future__ import annotations

import signal

import pytest

from wayra_db.server.diagnosis import diagnose, last_words


@pytest.mark.parametrize(
    ("exit_code", "log", "reason"),
    [
        (14, 'WiredTiger error (28): write: No space left on device"', "the disk is full"),
        (-6, "WT_PANIC: No space left on device", "the disk is full"),
        (48, "", "its address is in use"),
        (48, "Failed to set up listener: SocketException: Address already in use", "its address is in use"),
        (
            1,
            "mongod: /lib/libc.so.6: version `GLIBC_2.34' not found",
            "this system's libraries are older than it needs",
        ),
        (
            127,
            "error while loading shared libraries: libcrypto.so.3",
            "this system's libraries are older than it needs",
        ),
        (62, "", "the data folder was written by another version of MongoDB"),
        (100, "DBPathInUse: Unable to lock the lock file", "another mongod uses this data folder"),
        (100, "IllegalOperation: Attempted to create a lock file: Permission denied", "it may not read or write"),
        (-signal.SIGILL, "", "this processor lacks an instruction"),
        (-signal.SIGKILL, "", "it was killed"),
        (-6, "WT_TRY_SALVAGE: database corruption detected", "the data files are damaged"),
        (2, "Error parsing command line", "it ended with exit code 2"),
        (None, "", "it ended"),
    ],
)
def test_the_reason_is_read_from_exit_code_and_log(exit_code: int | None, log: str, reason: str) -> None:
    """Each way in which mongod fails to start is told in words, with a hint."""
    diagnosis = diagnose(exit_code, log)
    assert diagnosis.reason.startswith(reason)
    assert diagnosis.hint


@pytest.mark.parametrize(("exit_code", "taken"), [(48, True), (62, False), (None, False)])
def test_a_taken_port_is_told_apart(exit_code: int | None, taken: bool) -> None:
    """Only a taken address is worth another try with another port."""
    assert diagnose(exit_code, "").port_taken is taken


def test_last_words_leave_out_information_and_backtraces() -> None:
    """Errors and foreign lines stay, however many lines of backtrace follow them."""
    error = '{"s":"E",  "msg":"WiredTiger error"}'
    frames = ['{"s":"I",  "msg":"Frame"}'] * 50
    assert last_words("\n".join(["loader: no such library", error, *frames])) == f"loader: no such library\n{error}"


def test_last_words_of_a_calm_log_are_its_end() -> None:
    """A log without any error still shows something, and not too much of it."""
    lines = [f'{{"s":"I",  "msg":"{number}"}}' for number in range(100)]
    assert last_words("\n".join(lines)).splitlines() == lines[-20:]
