from __future__ import annotations

from pathlib import Path
from urllib.parse import quote_plus

import pytest

from tests.cli.conftest import Cli
from tests.support import Sandbox
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.testing import TemporaryServer

SECRET = "hunter2-Pa55"
AWKWARD = "p@ss/w:rd?#[%]& ümlaut"

URIS = {
    "well-formed": f"mongodb://user:{SECRET}@127.0.0.1:1/db",
    "two hosts": f"mongodb://user:{SECRET}@127.0.0.1:1,127.0.0.1:2/db",
    "percent-encoded": f"mongodb://user:{quote_plus(AWKWARD + SECRET)}@127.0.0.1:1/db",
    "not encoded at all": f"mongodb://user:{AWKWARD}{SECRET}@127.0.0.1:1/db",
    "an @ in it": f"mongodb://user:a@{SECRET}@127.0.0.1:1/db",
    "a slash in it": f"mongodb://user:a/{SECRET}@127.0.0.1:1/db",
    "a colon in it": f"mongodb://user:a:{SECRET}@127.0.0.1:1/db",
    "a question mark in it": f"mongodb://user:a?{SECRET}=1@127.0.0.1:1/db",
    "a hash in it": f"mongodb://user:a#{SECRET}@127.0.0.1:1/db",
    "a percent sign in it": f"mongodb://user:a%{SECRET}@127.0.0.1:1/db",
    "a space in it": f"mongodb://user:a {SECRET}@127.0.0.1:1/db",
    "without a user": f"mongodb://:{SECRET}@127.0.0.1:1/db",
    "without a host": f"mongodb://user:{SECRET}",
    "without a host, with a path": f"mongodb://user:{SECRET}/db",
    "without a scheme": f"user:{SECRET}@127.0.0.1:1/db",
    "another scheme": f"http://user:{SECRET}@127.0.0.1:1/db",
    "a mistyped scheme": f"mongodb:/user:{SECRET}@127.0.0.1:1/db",
    "a port that is none": f"mongodb://user:{SECRET}@127.0.0.1:port/db",
    "a port too high": f"mongodb://user:{SECRET}@127.0.0.1:99999/db",
    "a bracket": f"mongodb://user:{SECRET}@[::1/db",
    "in an option": f"mongodb://127.0.0.1:1/db?tlsCertificateKeyFilePassword={SECRET}",
    "in a mechanism's properties": f"mongodb://127.0.0.1:1/db?authMechanismProperties=AWS_SESSION_TOKEN:{SECRET}",
    "an unknown property": f"mongodb://127.0.0.1:1/db?authMechanismProperties=X:{SECRET}",
    "SRV with a port": f"mongodb+srv://user:{SECRET}@host:1/db",
}


@pytest.mark.parametrize("uri", URIS.values(), ids=URIS)
@pytest.mark.parametrize("flags", ["--debug --verbose", "--json"])
def test_a_password_is_never_shown(cli_offline: Cli, uri: str, flags: str) -> None:
    """However the address is malformed, as a variable or a flag; the error says what is wrong all the same."""
    ended = cli_offline("migrate", *flags.split(), MONGODB_URI=uri)
    assert ended.code in (ExitCode.UNREACHABLE, ExitCode.CONFIGURATION)
    assert SECRET not in ended.stdout + ended.stderr
    assert "fault in wayra-db" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("uri", [URIS["well-formed"], URIS["a question mark in it"], URIS["without a host"]])
def test_a_password_in_a_flag_is_never_shown(cli_offline: Cli, uri: str) -> None:
    """As in the variable."""
    ended = cli_offline("status", "--debug", "--uri", uri)
    assert ended.code in (ExitCode.UNREACHABLE, ExitCode.CONFIGURATION)
    assert SECRET not in ended.stdout + ended.stderr


@pytest.mark.parametrize("uri", URIS.values(), ids=URIS)
def test_settings_are_shown_without_it(cli_offline: Cli, uri: str) -> None:
    """`config show`, for people and for programs."""
    for flags in ("", "--json"):
        ended = cli_offline("config", "show", *flags.split(), MONGODB_URI=uri)
        assert SECRET not in ended.stdout + ended.stderr


@pytest.mark.parametrize("uri", URIS.values(), ids=URIS)
@pytest.mark.parametrize(
    "line",
    [
        "{uri}",
        "status {uri}",
        "migrate {uri}",
        "--env {uri} status",
        "--lock-timeout {uri} status",
        "--database {uri} status",
        "migrate --to {uri}",
        "completion {uri}",
    ],
)
def test_an_address_in_the_wrong_place(cli_offline: Cli, line: str, uri: str) -> None:
    """The parser quotes what it does not understand, but not the password in it."""
    ended = cli_offline(*[word.format(uri=uri) for word in line.split()])
    assert ended.code in (ExitCode.USAGE, ExitCode.CONFIGURATION)
    assert SECRET not in ended.stdout + ended.stderr


def test_nothing_of_it_is_left_behind(wayra_auth_server: TemporaryServer, offline: Sandbox, tmp_path: Path) -> None:
    """A whole life with a password: not in any output, not with --debug, not in a file, not in the database."""
    password = wayra_auth_server.password or ""
    offline.uri = wayra_auth_server.uri
    offline.migration(3, "raise ValueError('by hand')", head="transactional = False")
    for line in ("config show", "init --debug --verbose", "migrate --json", "status", "migrate status --debug"):
        ended = offline.run(*line.split())
        assert password not in ended.stdout + ended.stderr, line
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or password.encode() not in file.read_bytes()
    with wayra_auth_server.client() as client:
        database = client["nothing"]
        for name in database.list_collection_names():
            assert password not in str(list(database[name].find()))
        client.drop_database("nothing")
