from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from wayra_db.environment import Environment
from wayra_db.errors import ConfigError
from wayra_db.settings import OPTIONS, OriginKind, Settings, find_project_file, load_settings
from wayra_db.settings.options import Kind

SECRET = "S3CRET"


def project(folder: Path, text: str = "") -> Path:
    """Make `folder` a project whose file holds `text`."""
    folder.mkdir(exist_ok=True)
    (folder / "wayra-db.toml").write_text(text, encoding="utf-8")
    return folder


def refused(
    *, start: Path | None = None, flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> ConfigError:
    """The error that these sources give."""
    with pytest.raises(ConfigError) as caught:
        load_settings(start=start, flags=flags, environ=environ)
    return caught.value


# --- precedence ----------------------------------------------------------------------------------------------------

TIMEOUT = "database.server_selection_timeout_seconds"
TIMEOUT_VARIABLE = "WAYRA_SERVER_SELECTION_TIMEOUT"


@pytest.mark.parametrize(
    ("flags", "environ", "file", "expected", "origin"),
    [
        ({TIMEOUT: 1}, {TIMEOUT_VARIABLE: "2"}, "both", 1.0, OriginKind.FLAG),
        ({TIMEOUT: None}, {TIMEOUT_VARIABLE: "2"}, "both", 2.0, OriginKind.VARIABLE),
        ({}, {TIMEOUT_VARIABLE: " "}, "both", 4.0, OriginKind.FILE),
        ({}, {}, "both", 4.0, OriginKind.FILE),
        ({}, {}, "base", 5.0, OriginKind.FILE),
        ({}, {}, "", 3.0, OriginKind.DEFAULT),
    ],
)
def test_the_strongest_source_wins(
    tmp_path: Path,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    file: str,
    expected: float,
    origin: OriginKind,
) -> None:
    """Flag, then variable, then the file's part for this environment, then the file, then the default."""
    text = {
        "": "",
        "base": "[database]\nserver_selection_timeout_seconds = 5",
        "both": "[database]\nserver_selection_timeout_seconds = 5\n"
        "[environments.development.database]\nserver_selection_timeout_seconds = 4\n"
        "[environments.test.database]\nserver_selection_timeout_seconds = 6",
    }[file]
    settings = load_settings(flags=flags, environ=environ, start=project(tmp_path, text))
    assert settings.server_selection_timeout_seconds == expected
    assert settings.origin(TIMEOUT).kind is origin


@pytest.mark.parametrize(
    ("key", "variable", "weaker", "strong", "expected"),
    [
        ("server.tcp", "WAYRA_SERVER_TCP", "1", False, False),
        ("lock.timeout_seconds", "WAYRA_LOCK_TIMEOUT", "9", 0, 0.0),
        ("debug", "DEBUG", "wayra:*", False, False),
    ],
)
def test_an_explicit_false_or_zero_wins(key: str, variable: str, weaker: str, strong: object, expected: object) -> None:
    """A flag that says false or 0 is given, and only None is not."""
    settings = load_settings(flags={key: strong}, environ={variable: weaker})
    shown = {value.key: value for value in settings.describe()}[key]
    assert shown.value == expected
    assert shown.origin.kind is OriginKind.FLAG


def test_an_explicit_false_or_zero_wins_in_the_environment(tmp_path: Path) -> None:
    """The same holds for variables over the file."""
    start = project(tmp_path, "[server]\ntcp = true\n[lock]\ntimeout_seconds = 9")
    settings = load_settings(environ={"WAYRA_SERVER_TCP": "0", "WAYRA_LOCK_TIMEOUT": "0"}, start=start)
    assert settings.embedded_tcp is False
    assert settings.lock_timeout_seconds == 0


def test_every_value_knows_its_source(tmp_path: Path) -> None:
    """`config show` names the flag, the variable, or the file with its line."""
    start = project(tmp_path, "# first\n[database]\n\nname = 'shop'\n")
    settings = load_settings(flags={"debug": True}, environ={"WAYRA_ENV": "test"}, start=start)
    assert str(settings.origin("debug")) == "--debug"
    assert str(settings.origin("environment")) == "WAYRA_ENV"
    assert str(settings.origin("database.name")) == f"{start / 'wayra-db.toml'}:4"
    assert str(settings.origin("server.tcp")) == "default"
    assert [value.key for value in settings.describe()] == list(OPTIONS)


def test_defaults_outside_a_project() -> None:
    """Without any source there are settings, and only the folders of a project are an error to ask for."""
    settings = load_settings()
    assert settings.environment is Environment.DEVELOPMENT
    assert settings.project_dir is None
    assert settings.database_name == settings.project_name == "app"
    for name in ("collections_dir", "migrations_dir", "seeds_dir", "backups_dir", "state_dir"):
        with pytest.raises(ConfigError, match=r"not a wayra-db project") as caught:
            getattr(settings, name)
        assert "wayra-db new" in caught.value.hint


def test_every_option_has_one_place_everywhere() -> None:
    """Keys, variables and flags are unique, so that no value can land in two settings."""
    for names in ([o.key for o in OPTIONS.values()], [o.variable for o in OPTIONS.values()]):
        assert len(names) == len(set(names))
    flags = [option.flag for option in OPTIONS.values() if option.flag]
    assert len(flags) == len(set(flags))
    assert all(option.help.endswith(".") for option in OPTIONS.values())


def test_every_default_is_a_value_of_its_option() -> None:
    """What the table says by default would also be accepted from outside."""
    for option in OPTIONS.values():
        if option.default is not None:
            assert option.accept(option.default) == option.default


# --- the environment and debugging ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["production", "PRODUCTION", " Production "])
def test_the_environment_is_read_without_regard_to_case(text: str) -> None:
    """WAYRA_ENV=Production is not development."""
    assert load_settings(environ={"WAYRA_ENV": text}).environment is Environment.PRODUCTION


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("dev", "development"), ("prod", "production"), ("tset", "test"), ("prodution", "production"), ("staging", None)],
)
def test_an_unknown_environment_is_an_error(text: str, nearest: str | None) -> None:
    """No guess is made about what is allowed, but a slip is helped."""
    error = refused(environ={"WAYRA_ENV": text})
    assert "WAYRA_ENV (environment) must be one of development, test, production" in error.message
    assert (f"did you mean {nearest}?" in error.message) is (nearest is not None)
    assert (error.key, error.source, error.exit_code) == ("environment", "WAYRA_ENV", 12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wayra:database", True),
        ("wayra:*", True),
        ("*", True),
        ("express, wayra:database", True),
        ("express wayra:*", True),
        ("wayra", False),
        ("1", False),
        ("true", False),
        ("express:*", False),
        ("wayra:http", False),
        ("*,-wayra:*", False),
        ("", False),
    ],
)
def test_debug_names_programs(text: str, expected: bool) -> None:
    """DEBUG belongs to many programs, and speaks of this one by name."""
    assert load_settings(environ={"DEBUG": text}).debug is expected


def test_a_production_without_uri_gets_no_server() -> None:
    """The embedded server is for development and test; production has to say where it is."""
    for name, embedded in (("development", True), ("test", True), ("production", False)):
        settings = load_settings(environ={"WAYRA_ENV": name})
        assert settings.uses_embedded_server is embedded
        with pytest.raises(ConfigError, match=f"no MongoDB URI is set, and {name} needs one") as caught:
            settings.require_uri()
        assert caught.value.exit_code == 12
        assert "MONGODB_URI" in caught.value.hint


def test_a_uri_is_used_in_every_environment() -> None:
    """With a URI no server is started."""
    settings = load_settings(environ={"MONGODB_URI": "mongodb://h"})
    assert not settings.uses_embedded_server
    assert settings.require_uri() == "mongodb://h"


# --- the database's name -------------------------------------------------------------------------------------------

URI_A, URI_B, URI_C = (f"mongodb://h/{name}" for name in "abc")
FILE_B = f"[database]\nuri = '{URI_B}'"


@pytest.mark.parametrize(
    ("flags", "environ", "file", "expected"),
    [
        ({"database.name": "n", "database.uri": URI_A}, {"WAYRA_DATABASE": "v"}, FILE_B, "n"),
        ({"database.uri": URI_A}, {"WAYRA_DATABASE": "v"}, FILE_B, "a"),
        ({"database.uri": "mongodb://h"}, {"WAYRA_DATABASE": "v", "MONGODB_URI": URI_C}, FILE_B, "v"),
        ({}, {"MONGODB_URI": URI_C}, "[database]\nname = 'f'", "c"),
        ({}, {"MONGODB_URI": "mongodb://h"}, "[database]\nname = 'f'", "f"),
        ({}, {}, f"[database]\nname = 'f'\n[environments.development.database]\nuri = '{URI_A}'", "a"),
        ({}, {}, FILE_B, "b"),
        ({}, {}, "[project]\nname = 'Travel planner'", "Travel_planner"),
        ({}, {"WAYRA_ENV": "test"}, "[project]\nname = 'Travel planner'", "Travel_planner_test"),
        ({}, {}, "[project]\nname = 'admin'", "admin_db"),
        ({}, {}, "[project]\nname = '…'", "app"),
        ({}, {}, "", "shop"),
        ({}, {"WAYRA_ENV": "test"}, "", "shop_test"),
    ],
)
def test_the_strongest_source_names_the_database(
    tmp_path: Path, flags: Mapping[str, object], environ: Mapping[str, str], file: str, expected: str
) -> None:
    """By the name itself or by the path of its URI, else after the project, and test has a database of its own."""
    settings = load_settings(flags=flags, environ=environ, start=project(tmp_path / "shop", file))
    assert settings.database_name == expected


def test_a_long_project_name_still_gives_a_name(tmp_path: Path) -> None:
    """MongoDB takes 63 bytes, and the test database keeps its ending."""
    start = project(tmp_path, f"[project]\nname = '{'x' * 100}'")
    assert load_settings(start=start).database_name == "x" * 63
    assert load_settings(environ={"WAYRA_ENV": "test"}, start=start).database_name == "x" * 58 + "_test"


@pytest.mark.parametrize("name", ["a b", "a/b", "$x", "admin", "x" * 64])
def test_a_bad_database_name_is_an_error(name: str) -> None:
    """MongoDB would refuse it much later, or it is MongoDB's own."""
    assert refused(environ={"WAYRA_DATABASE": name}).key == "database.name"
    assert refused(environ={"MONGODB_URI": f"mongodb://h/{name}"}).key == "database.uri"


# --- mistakes ------------------------------------------------------------------------------------------------------


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """As some editors put one in front of the first line."""
    start = project(tmp_path, "")
    (start / "wayra-db.toml").write_bytes(b"\xef\xbb\xbf[database]\nname = 'x'\n")
    assert load_settings(start=start).database_name == "x"


@pytest.mark.parametrize(
    ("text", "line", "key", "says"),
    [
        ("[database]\nnmae = 'x'", 2, "database.nmae", "Did you mean database.name?"),
        ("[databse]\nname = 'x'", 2, "databse.name", "Did you mean database.name?"),
        ("[projct]\nname = 'x'", 2, "projct.name", "Did you mean project.name?"),
        ("[databse]", 1, "databse", "Did you mean [database]?"),
        ("databse = 3", 1, "databse", "Did you mean [database]?"),
        ("[environments.test.databse]\nname = 'x'", 2, "environments.test.databse.name", "mean database.name?"),
        ("[database.uri]\nname = 'x'", 1, "database.uri", "must be text"),
        ("[database.name.x]\ny = 1", 1, "database.name", "must be the name of a database"),
        ("[server]\n\ntimeout_seconds = 1", 3, "server.timeout_seconds", "Did you mean lock.timeout_seconds?"),
        ("\ncolour = 'red'", 2, "colour", "It can be one of: project.name"),
        ("[environments.tset.database]\nname = 'x'", 1, "environments.tset", "Did you mean test?"),
        (
            "[environments.test.database]\nnmae = 'x'",
            2,
            "environments.test.database.nmae",
            "Did you mean database.name?",
        ),
        ("[environments]\ntest = 1", 2, "environments.test", "must be a table"),
        ("environments = 1", 1, "environments", "must be a table, as in [environments.test.database]"),
        ("database = 'x'", 1, "database", "must be a table: [database]"),
        ("environment = 'test'", 1, "environment", "is not set in the file but by --env or WAYRA_ENV"),
        ("[database]\nname = 1", 2, "database.name", "must be the name of a database"),
        ("[database]\nname = {a = 1}", 2, "database.name", "must be the name of a database"),
        ("[database]\nname = 'a b'", 2, "database.name", "must not contain ' '"),
        ("[server]\ntcp = 1", 2, "server.tcp", "must be true or false"),
        ("[server]\ntcp = 'yes'", 2, "server.tcp", "must be true or false"),
        ("[lock]\nlease_seconds = true", 2, "lock.lease_seconds", "must be a number of seconds above 0"),
        ("[lock]\nlease_seconds = 0", 2, "lock.lease_seconds", "must be a number of seconds above 0"),
        ("[lock]\nlease_seconds = '1'", 2, "lock.lease_seconds", "must be a number of seconds above 0"),
        ("[lock]\nlease_seconds = nan", 2, "lock.lease_seconds", "must be a number of seconds above 0"),
        ("[lock]\nlease_seconds = inf", 2, "lock.lease_seconds", "must be a number of seconds above 0"),
        ("[lock]\ntimeout_seconds = -1", 2, "lock.timeout_seconds", "above 0, or 0: do not wait"),
        ('[server]\nmongod = "a\\u0000b"', 2, "server.mongod", "must be text"),
        ("[directories]\nseeds = ''", 2, "directories.seeds", "must be a folder"),
        ("[directories]\nbackups = ['a']", 2, "directories.backups", "must be a folder"),
        ("lock.'lease_seconds' = 'x'", 1, "lock.lease_seconds", "must be a number of seconds"),
        ("lock = {lease_seconds = 'x'}", 1, "lock.lease_seconds", "must be a number of seconds"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, line: int, key: str, says: str) -> None:
    """File, line and key, and the nearest valid key for an unknown one."""
    error = refused(start=project(tmp_path, text))
    where = f"{tmp_path / 'wayra-db.toml'}:{line}"
    assert error.message.startswith(f"{where}: {key} ")
    assert says in f"{error.message} {error.hint}"
    assert (error.key, error.source) == (key, where)


@pytest.mark.parametrize(
    ("text", "line"), [("[database\n", 1), ("a = 1\n\nb = \n", 3), ("[a]\nx = 1\nx = 2\n", 3), ("a = 1\nb = '''\n", 2)]
)
def test_what_is_no_toml_is_named(tmp_path: Path, text: str, line: int) -> None:
    """A syntax error is found by its line, and the parser's own error stays as the cause."""
    error = refused(start=project(tmp_path, text))
    assert error.message.startswith(f"{tmp_path / 'wayra-db.toml'}:{line}: this is not TOML: ")
    assert error.__cause__ is not None


def test_a_file_in_another_encoding_is_an_error(tmp_path: Path) -> None:
    """TOML is UTF-8."""
    (tmp_path / "wayra-db.toml").write_bytes(b"[project]\nname = '\xff'")
    assert "not UTF-8" in refused(start=tmp_path).message


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("WAYRA_SERVER_TCP", "maybe", "WAYRA_SERVER_TCP (server.tcp) must be true or false"),
        ("WAYRA_LOCK_LEASE", "ten", "must be a number of seconds above 0"),
        ("WAYRA_LOCK_LEASE", "nan", "must be a number of seconds above 0"),
        ("WAYRA_SERVER_IDLE", "-1", "or 0: never stop it"),
        ("WAYRA_DATABASE", f"mongodb://ada:{SECRET}@h", "WAYRA_DATABASE (database.name) must not contain"),
    ],
)
def test_a_mistake_in_a_variable_is_named(variable: str, text: str, says: str) -> None:
    """The variable and its key are named, and the value is not repeated."""
    error = refused(environ={variable: text})
    assert says in error.message
    assert error.source == variable
    assert text not in error.message


def test_an_unknown_or_wrong_flag_is_an_error() -> None:
    """A library caller's slip is treated like any other."""
    assert refused(flags={"database.nmae": "x"}).hint == "Did you mean database.name?"
    assert "--lock-timeout (lock.timeout_seconds) must be" in refused(flags={"lock.timeout_seconds": "soon"}).message
    assert refused(flags={"lock.lease_seconds": False}).message.startswith("lock.lease_seconds must be")


@pytest.mark.parametrize("text", ["1", "true", "YES", "on"])
def test_switches_are_read_as_people_write_them(text: str) -> None:
    """The words for true."""
    assert load_settings(environ={"WAYRA_SERVER_TCP": text}).embedded_tcp is True


# --- secrets -------------------------------------------------------------------------------------------------------


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Neither `repr` nor `config show` holds the password, whichever source it comes from."""
    uri = f"mongodb://ada:{SECRET}@db.example/shop?tlsCertificateKeyFilePassword={SECRET}"
    start = project(tmp_path, f"[database]\nuri = '{uri}'")
    for settings in (
        load_settings(start=start),
        load_settings(environ={"MONGODB_URI": uri}),
        load_settings(flags={"database.uri": uri}),
    ):
        shown = f"{settings!r} {settings.address} {[value.to_dict() for value in settings.describe()]}"
        assert SECRET not in shown
        assert "mongodb://ada:***@db.example/shop?tlsCertificateKeyFilePassword=***" in shown
        assert settings.uri == uri


def test_a_secret_of_the_wrong_kind_is_not_repeated(tmp_path: Path) -> None:
    """An error about a URI never quotes it, not even a piece that only looks like a database."""
    assert SECRET not in refused(start=project(tmp_path, f"[database]\nuri = ['{SECRET}']")).message
    assert SECRET not in refused(environ={"MONGODB_URI": f"mongodb://ada:x/{SECRET}:@@h/$"}).message


# --- folders -------------------------------------------------------------------------------------------------------


def test_folders_stand_in_the_project(tmp_path: Path) -> None:
    """Relative to the project, not to where the command runs."""
    start = project(tmp_path, "[directories]\nseeds = 'data/seeds'")
    settings = load_settings(start=start)
    assert settings.collections_dir == tmp_path / "collections"
    assert settings.migrations_dir == tmp_path / "migrations"
    assert settings.seeds_dir == tmp_path / "data" / "seeds"
    assert settings.backups_dir == tmp_path / "backups"
    assert settings.state_dir == tmp_path / ".wayra"


@pytest.mark.parametrize(
    "value", ["..", "../elsewhere", "migrations/../../elsewhere", "a/../b", "leaving", "leaving/in"]
)
def test_a_folder_that_leaves_the_project_is_refused(tmp_path: Path, value: str) -> None:
    """Neither `..` nor a link leads out; an absolute path is how to mean it."""
    start = project(tmp_path / "project", f"[directories]\nbackups = '{value}'")
    (tmp_path / "outside").mkdir()
    (start / "leaving").symlink_to(tmp_path / "outside")
    error = refused(start=start)
    assert error.message == f"{start / 'wayra-db.toml'}:2: directories.backups leaves the project"
    assert "absolute path" in error.hint


def test_an_absolute_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    """Backups on another disk, with or without a project."""
    outside = tmp_path / "outside"
    start = project(tmp_path / "project", f"[directories]\nbackups = '{outside}'")
    assert load_settings(start=start).backups_dir == outside
    assert load_settings(environ={"WAYRA_BACKUPS_DIR": str(outside)}).backups_dir == outside
    assert load_settings(flags={"directories.backups": outside}).backups_dir == outside


@pytest.mark.parametrize(("text", "inside"), [("bin/mongod", True), ("mongod", False), ("/opt/mongod", False)])
def test_the_mongod_of_the_file_is_seen_from_the_file(tmp_path: Path, text: str, inside: bool) -> None:
    """A relative path in the file means the same from every folder; a bare name is searched for."""
    start = project(tmp_path, f"[server]\nmongod = '{text}'")
    assert load_settings(start=start).mongod == (str(tmp_path / text) if inside else text)
    assert load_settings(environ={"WAYRA_MONGOD": text}).mongod == text


# --- finding the project -------------------------------------------------------------------------------------------


def test_the_project_is_found_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the project's folder, from below, from its file, and from a relative path."""
    start = project(tmp_path / "shop")
    below = start / "migrations" / "old"
    below.mkdir(parents=True)
    file = start / "wayra-db.toml"
    assert find_project_file(start) == find_project_file(below) == find_project_file(file) == file
    assert find_project_file(tmp_path) is None
    monkeypatch.chdir(below)
    settings = load_settings(start=Path())
    assert (settings.project_dir, settings.project_name) == (start, "shop")


def test_a_project_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    """A slip in --project must not lead to the project of some folder above."""
    start = project(tmp_path)
    assert "no such folder" in refused(start=start / "slip").message


def test_settings_are_frozen() -> None:
    """What was checked stays as it was."""
    settings: Settings = load_settings()
    with pytest.raises(AttributeError):
        settings.debug = True  # type: ignore[misc]


def test_kinds_say_what_they_expect() -> None:
    """Every kind refuses what is none of it, in words."""
    for kind in Kind:
        option = next(option for option in OPTIONS.values() if option.kind is kind)
        with pytest.raises(ValueError, match=r"^must be "):
            option.accept(None)
