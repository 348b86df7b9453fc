from __future__ import annotations

import json
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.test_terminal import Terminal
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode


@pytest.mark.parametrize(("flags", "ending"), [(["--json"], signal.SIGTERM), ([], signal.SIGINT)])
def test_it_serves_until_it_is_stopped(sandbox: Sandbox, flags: list[str], ending: signal.Signals) -> None:
    """The address comes at once, and alone on standard output; Ctrl-C is its usual end, and no failure."""
    process = sandbox.start("dashboard", *flags)
    assert process.stdout is not None
    if flags:
        lines = [process.stdout.readline() for _ in range(5)]
        url = json.loads("".join(lines))["url"]
    else:
        url = process.stdout.readline().strip()
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.partition("?")[0], timeout=30)
    assert refused.value.code == 401
    refused.value.close()
    process.send_signal(ending)
    rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest) == (ExitCode.OK, ""), errors
    assert "Traceback" not in errors


def test_a_port_that_is_taken(cli: Cli) -> None:
    """Said before anything is read."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = cli("dashboard", "--port", str(taken.getsockname()[1]))
    assert (ended.code, ended.stdout) == (ExitCode.FAILED, "")
    assert "cannot be listened on" in ended.stderr


def test_the_browser_is_not_told_the_token_by_its_arguments(sandbox: Sandbox, tmp_path: Path) -> None:
    """Everybody on a machine sees those: it gets a file that is this user's alone, and that is gone at the end."""
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > "$0.argument"\ncp "${1#file://}" "$0.page"\n: > "$0.done"\n')
    browser.chmod(0o700)
    terminal = Terminal(sandbox, "dashboard", BROWSER=str(browser))
    terminal.read_until("until Ctrl-C")
    url = next(word for word in terminal.text.split() if word.startswith("http://"))
    while not browser.with_suffix(".done").exists():
        time.sleep(0.01)
    argument = browser.with_suffix(".argument").read_text().strip()
    assert "token" not in argument
    page = Path(argument.removeprefix("file://"))
    assert page.parent.stat().st_mode & 0o077 == 0
    assert f'content="0;url={url}"' in browser.with_suffix(".page").read_text()
    terminal.type("\x03")
    assert terminal.end() == ExitCode.OK
    assert not page.exists()
