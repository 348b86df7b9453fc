from __future__ import annotations

import signal

import pytest

from wayra_db.server.diagnosis import diagnose, last_words

ENGINE = (
    '{"s":"E",  "c":"WT", "msg":"WiredTiger error message","attr":{"error":-31802,"message":{"msg":"__desc_read:347:'
    'File WiredTiger.wt is smaller than allocation size","error_str":"WT_ERROR: non-specific"}}}'
)
ABORTING = (
    '{"s":"F",  "c":"STORAGE", "msg":"Please read the documentation for starting MongoDB with --repair here: ..."}\n'
    '{"s":"F",  "c":"ASSERT", "msg":"Fatal assertion","attr":{"msgid":50944}}\n'
    '{"s":"F",  "c":"CONTROL", "msg":"Writing fatal message","attr":{"message":"Got signal: 6 (Aborted)."}}\n'
    '{"s":"E",  "c":"cut o'
)
CATALOG = (
    '{"s":"F",  "c":"STORAGE", "msg":"Failed to open WiredTiger cursor. This may be due to data corruption",'
    '"attr":{"error":{"errmsg":"-31802: WT_ERROR"},"message":"Please read the documentation"}}'
)
FATAL = '{"s":"E",  "c":"STORAGE", "msg":"Wrong moon phase","attr":{"error":"the tide is out"}}'


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
        (14, f"{ENGINE}\n{ABORTING}", "the data files are damaged: File WiredTiger.wt is smaller than"),
        (14, CATALOG, "the data files are damaged: Failed to open WiredTiger cursor"),
        (14, FATAL, "it ended with exit code 14: Wrong moon phase: the tide is out"),
        (2, "Error parsing command line", "it ended with exit code 2"),
        (None, "", "it ended"),
    ],
)
def test_the_reason_is_read_from_exit_code_and_log(exit_code: int | None, log: str, reason: str) -> None:
    """Each way in which mongod fails to start is told in words, with a hint."""
    diagnosis = diagnose(exit_code, log)
    assert diagnosis.reason.startswith(reason)
    assert diagnosis.hint


def test_damaged_data_comes_with_the_way_on() -> None:
    """The commands to begin anew, with the folder's own path."""
    hint = diagnose(14, ENGINE + "\n" + ABORTING, "'/my shop/data'").hint
    assert "mv '/my shop/data' '/my shop/data'.damaged" in hint
    assert "{" not in hint


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
