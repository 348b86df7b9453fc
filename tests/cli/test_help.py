from __future__ import annotations

import re
import shlex

import click
import pytest

from tests.cli.commands import ALL, GROUPS, LEAVES, WITH_DEFAULT
from tests.cli.conftest import Cli
from wayra_db import __version__
from wayra_db.cli._app import root
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._run import Run
from wayra_db.settings.options import OPTIONS


@pytest.mark.parametrize("path", ALL)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_has_help_with_examples(cli_offline: Cli, path: str, flag: str) -> None:
    """On standard output, with a sentence and an example that calls it; exit code 0."""
    ended = cli_offline(*path.split(), flag)
    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"Usage: wayra-db{f' {path}' if path else ''} ")
    assert "Examples:" in ended.stdout
    called = path.removesuffix(" run")  # the default command of its group goes without saying
    assert re.search(rf"^ +(\w+=\S+ )*wayra-db( --\w+ \w+)* ?{called}", ended.stdout, re.MULTILINE)
    assert (ALL[path].help or "").split("\n", 1)[0].strip().endswith((".", ";", "runs the pending ones."))


def examples() -> list[str]:
    """Every command line in the examples, without what stands around it."""
    found = []
    for command in ALL.values():
        for line in (command.epilog or "").splitlines():
            for part in re.split(r"&&|\|", line.partition("   #")[0].replace('eval "$(', "").replace(')"', "")):
                words = part.split("wayra-db ", 1)
                if len(words) == 2 and not part.strip().startswith(("Options", "#")):
                    found.append(words[1].strip())
    return found


def test_there_are_examples() -> None:
    """At least one for each command."""
    assert len(examples()) > len(LEAVES)


@pytest.mark.parametrize("example", sorted(set(examples())))
def test_examples_name_commands_and_options_that_exist(example: str) -> None:
    """Each example is parsed to its last word; nothing of it is executed."""
    words = shlex.split(example)
    command: click.Command = root
    context = click.Context(root, info_name="wayra-db", obj=Run({}))
    while True:
        context = command.make_context(command.name, list(words), parent=context)
        if not isinstance(command, click.Group):
            break
        words = [*context._protected_args, *context.args]
        if not words:
            break
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found


@pytest.mark.parametrize("path", [path for path in GROUPS if path not in WITH_DEFAULT])
def test_a_group_alone_shows_its_help(cli_offline: Cli, path: str) -> None:
    """Whoever types `wayra-db` or `wayra-db indexes` wants to know what there is; it is no error."""
    alone = cli_offline(*path.split())
    assert alone.code == 0
    assert alone.stdout == cli_offline(*path.split(), "--help").stdout
    assert alone.stderr == ""


def test_the_root_shows_what_every_command_takes(cli_offline: Cli) -> None:
    """Every flag of the table of settings with its variable, and every exit code with its meaning."""
    text = " ".join(cli_offline("--help").stdout.split())
    for option in OPTIONS.values():
        if option.flag:
            assert option.flag in text
            assert f"[{option.variable}]" in text
    for code in ExitCode:
        assert f"{code.value} {code.meaning}" in text
    for name in ("init", "reset", "clear", "status", "migrate", "seed", "indexes", "server", "new", "completion"):
        assert f" {name} " in text


def test_version(cli_offline: Cli) -> None:
    """The program's name and its version, and no more."""
    assert cli_offline("--version").stdout == f"wayra-db {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("stauts", "'status'"),
        ("migrat", "'migrate'"),
        ("indxes apply", "'indexes'"),
        ("migrate stat", "'status'"),
        ("migrate rolback", "'rollback'"),
        ("seed staus", "'status'"),
        ("indexes aply", "'apply'"),
        ("server strat", "'start'"),
        ("status --chek", "--check"),
        ("init --rest", "--reset"),
        ("migrate up --step 3", "--steps"),
        ("--enviroment test status", "--env"),
    ],
)
def test_did_you_mean(cli_offline: Cli, typed: str, meant: str) -> None:
    """A mistyped command or option is met with the nearest; exit code 2 and a hint at the right help."""
    ended = cli_offline(*typed.split())
    assert ended.code == ExitCode.USAGE
    assert ended.stdout == ""
    error, hint = ended.stderr.splitlines()
    assert meant in error
    assert error.startswith("error: ")
    assert re.fullmatch(r"hint: See `wayra-db( \w+)* --help`\.", hint)


@pytest.mark.parametrize("group", GROUPS)
def test_a_word_that_is_near_nothing(cli_offline: Cli, group: str) -> None:
    """What there is, is listed."""
    ended = cli_offline(*group.split(), "xyzzyx")
    listed = ended.stderr.partition("There are: ")[2].partition(".\n")[0].split(", ")
    below = [path.removeprefix(group).split() for path in ALL if path.startswith(group)]
    assert ended.code == ExitCode.USAGE
    assert sorted(listed) == sorted(path[0] for path in below if len(path) == 1)


def test_a_default_command_takes_its_options(cli_offline: Cli) -> None:
    """`migrate --to 3` is `migrate up --to 3`, and so is its help."""
    assert cli_offline("migrate", "--to", "1", "--help").stdout == cli_offline("migrate", "up", "--help").stdout
    assert "Commands:" in cli_offline("migrate", "--help").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(cli_offline: Cli, shell: str) -> None:
    """The shell's script, which asks the tool itself."""
    ended = cli_offline("completion", shell)
    assert ended.code == 0
    assert "_WAYRA_DB_COMPLETE" in ended.stdout
