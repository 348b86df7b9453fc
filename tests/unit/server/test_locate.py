from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import pytest

from wayra_db.errors import MongodNotFoundError
from wayra_db.server.locate import MongodBinary, find_mongod, parse_version, ways_to_get_one


def script(folder: Path, body: str, name: str = "mongod") -> Path:
    """A program in place of mongod, which does as `body` says."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without the embedded extra."""

    def missing(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("db version v6.0.5\nBuild Info: {", "6.0.5"),
        ("db version v8.0.0-rc1\n", "8.0.0-rc1"),
        ("mongosh 2.1", None),
        ("", None),
    ],
)
def test_the_version_is_read_from_the_output(output: str, version: str | None) -> None:
    """What `mongod --version` prints, and what it does not."""
    assert parse_version(output) == version


def test_the_setting_comes_before_the_path(tmp_path: Path) -> None:
    """A configured binary is used although another is on the search path."""
    mine = script(tmp_path / "mine", "echo db version v7.0.1")
    script(tmp_path / "path", "echo db version v6.0.1")
    found = find_mongod(setting=str(mine), search_path=str(tmp_path / "path"))
    assert found == MongodBinary(path=mine, version="7.0.1", source="setting")
    assert found.major == "7.0"


def test_a_bare_name_is_looked_up_on_the_path(tmp_path: Path) -> None:
    """A setting without a folder is the name of a program."""
    named = script(tmp_path, "echo db version v7.0.1", name="mongod-7")
    assert find_mongod(setting="mongod-7", search_path=str(tmp_path)).path == named


def test_the_path_is_searched_in_order_past_what_cannot_run(tmp_path: Path) -> None:
    """A mongod that fails is passed over for the next one on the path."""
    script(tmp_path / "broken", "echo no such library >&2; exit 127")
    good = script(tmp_path / "good", "echo db version v6.0.1")
    path = os.pathsep.join(str(tmp_path / name) for name in ("missing", "broken", "good"))
    assert find_mongod(setting=None, search_path=path) == MongodBinary(path=good, version="6.0.1", source="PATH")


@pytest.mark.usefixtures("no_extra")
def test_every_reason_is_reported(tmp_path: Path) -> None:
    """When nothing is left, the error says what was tried, why not, and how to get one."""
    script(tmp_path / "broken", "echo no such library >&2; exit 127")
    script(tmp_path / "old", "echo db version v4.4.29")
    (tmp_path / "denied").mkdir()
    (tmp_path / "denied" / "mongod").write_text("not a program", encoding="utf-8")
    path = os.pathsep.join(str(tmp_path / name) for name in ("broken", "old", "denied"))
    with pytest.raises(MongodNotFoundError) as caught:
        find_mongod(setting=None, search_path=path)
    broken, old, denied, extra = caught.value.tried
    assert "no such library" in broken
    assert "version 4.4.29; 5.0 or newer is needed" in old
    assert "Permission denied" in denied
    assert extra == "embedded extra: not installed"
    assert "wayra-db[embedded]" in caught.value.hint


@pytest.mark.parametrize("setting", ["missing/mongod", "broken/mongod", "."])
def test_an_unusable_setting_is_an_error_at_once(tmp_path: Path, setting: str) -> None:
    """A configured binary that does not work is not silently replaced by another one."""
    script(tmp_path / "broken", "exit 1")
    script(tmp_path / "path", "echo db version v6.0.1")
    with pytest.raises(MongodNotFoundError) as caught:
        find_mongod(setting=str(tmp_path / setting), search_path=str(tmp_path / "path"))
    assert len(caught.value.tried) == 1
    assert "Correct the setting" in caught.value.hint


def test_a_binary_is_asked_once_until_it_changes(tmp_path: Path) -> None:
    """The remembered answer is used while size and time of the file are the same."""
    asked = tmp_path / "asked"
    binary = script(tmp_path, f"echo x >> {asked}; echo db version v6.0.1")
    verdicts = tmp_path / "binaries.json"
    for _ in range(2):
        assert find_mongod(setting=str(binary), search_path=None, verdicts=verdicts).version == "6.0.1"
    assert asked.read_text(encoding="utf-8").count("x") == 1
    assert verdicts.stat().st_mode & 0o777 == 0o600
    script(tmp_path, f"echo x >> {asked}; echo db version v6.0.27")
    assert find_mongod(setting=str(binary), search_path=None, verdicts=verdicts).version == "6.0.27"


def test_bad_news_is_not_remembered(tmp_path: Path) -> None:
    """A library that was missing may be installed by the next time."""
    flag = tmp_path / "installed"
    binary = script(tmp_path, f"[ -e {flag} ] && echo db version v6.0.1")
    verdicts = tmp_path / "binaries.json"
    with pytest.raises(MongodNotFoundError):
        find_mongod(setting=str(binary), search_path=None, verdicts=verdicts)
    flag.touch()
    assert find_mongod(setting=str(binary), search_path=None, verdicts=verdicts).version == "6.0.1"


@pytest.mark.parametrize("content", ["", "[1]", "{", "null"])
def test_a_damaged_memory_is_no_obstacle(tmp_path: Path, content: str) -> None:
    """The file of remembered answers may be anything."""
    verdicts = tmp_path / "binaries.json"
    verdicts.write_text(content, encoding="utf-8")
    binary = script(tmp_path, "echo db version v6.0.1")
    assert find_mongod(setting=str(binary), search_path=None, verdicts=verdicts).version == "6.0.1"


@pytest.mark.parametrize(("platform", "way"), [("darwin", "brew"), ("linux", "mongodb.com")])
def test_the_ways_fit_the_platform(platform: str, way: str) -> None:
    """The hint names the platform's own way, the extra and Docker."""
    hint = ways_to_get_one(platform)
    assert way in hint
    assert "wayra-db[embedded]" in hint
    assert "docker compose up -d" in hint
