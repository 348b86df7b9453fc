"""Writes the pages that follow from the code, and the README's picture from a real run.

python docs/generate.py            write docs/reference/*.md and docs/images/init.svg
python docs/generate.py --check    write nothing; end with 1 when a page is not as it would be written
"""

from __future__ import annotations

import inspect
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from wayra_db import environment, errors
from wayra_db.cli import _app
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.error_pages import PAGES as PAGES_OF_ERRORS
from wayra_db.health.checks import CHECKS
from wayra_db.settings.options import OPTIONS, Kind

DOCS = Path(__file__).parent
ROOT = DOCS.parent
GENERATED = "<!-- Written by docs/generate.py; change the code, then run `make docs`. -->\n\n"


def commands_page() -> str:
    """Every command with its help, as the command line prints it."""
    lines = [
        "# Commands\n",
        "Every command takes the options that `wayra-db --help` lists, before or after its name.",
        "What each ends with is in [exit codes](exit-codes.md).\n",
    ]
    for path, command, context in walk(_app.root, click.Context(_app.root, info_name="wayra-db")):
        lines += [f"## `{path}`\n", "```text", command.get_help(context).replace("\b", "").rstrip(), "```\n"]
    return "\n".join(lines)


def walk(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    """A command and all below it, with their full names."""
    context.terminal_width = context.max_content_width = 100
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from walk(child, click.Context(child, info_name=name, parent=context))


def settings_page() -> str:
    """Every setting: key, variable, flag, default, meaning."""
    lines = [
        "# Settings\n",
        "A flag wins over an environment variable, which wins over `wayra-db.toml`, which wins over the default; an",
        "explicit false or 0 is a value. In the file, `[environments.test.database]` and its like set a value for one",
        "environment. `wayra-db config show` prints every value and where it came from.\n",
        "| setting | variable | flag | default | meaning |",
        "|---|---|---|---|---|",
    ]
    for option in OPTIONS.values():
        default = "" if option.default is None else f"`{str(option.default).lower()}`"
        flag = f"`{option.flag}`" if option.flag else ""
        where = "" if option.in_file else " Not in the file."
        zero = f" 0: {option.zero}." if option.zero else ""
        unit = " Seconds." if option.kind is Kind.SECONDS else ""
        lines.append(
            f"| `{option.key}` | `{option.variable}` | {flag} | {default} | {option.help}{unit}{zero}{where} |"
        )
    lines += [
        "",
        "`WAYRA_PROJECT` names the project's folder, as `--project` does. `NO_COLOR` turns colours off.",
        "The file is found in the working directory or above it. A URI with a password belongs into `MONGODB_URI`,",
        "never into the file.\n",
    ]
    return "\n".join(lines)


def exit_codes_page() -> str:
    """The table of exit codes, and the errors behind each."""
    lines = ["# Exit codes\n", "| code | meaning | errors |", "|---|---|---|"]
    for code in ExitCode:
        names = [f"`{kind.__name__}`" for kind in tree(errors.WayraError) if kind.exit_code == code]
        listed = "" if code in (ExitCode.OK, ExitCode.FAILED) else ", ".join(names)
        lines.append(f"| {code.value} | {code.meaning} | {listed} |")
    lines += [
        "",
        "A step of `init` that fails ends with the code of its reason. Each error is in [errors](errors.md).\n",
    ]
    return "\n".join(lines)


def tree(kind: type[errors.WayraError]) -> Iterator[type[errors.WayraError]]:
    """A class of errors.py and all below it."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def errors_page() -> str:
    """The error tree as it is drawn, and each class with its meaning and fields."""
    drawing = (errors.__doc__ or "").split("\n\n")[1]
    lines = [
        "# Errors\n",
        "Everything that wayra-db reports on purpose is one of these. The message says what happened, `hint` what",
        "to do next, the fields carry the facts; with `--json` they are the command's document, `exit_code` as",
        "`exitCode` and so on. The command line prints the name in brackets, `error[lock-held]: ...`, under which",
        "`wayra-db explain lock-held` says the same as this page; in JSON it is `see`.\n",
        f"```text\n{drawing}\n```\n",
    ]
    for kind in tree(errors.WayraError):
        fields = [
            name
            for name in inspect.signature(kind.__init__).parameters
            if name not in ("self", "message", "hint", "exit_code")
        ]
        listed = f" Fields: {', '.join(f'`{name}`' for name in fields)}." if fields else ""
        name = errors.link_name(kind)
        lines.append(f"## {name}\n")
        lines.append(f"**`{kind.__name__}`** (exit code {int(kind.exit_code)}). {inspect.getdoc(kind)}{listed}\n")
        lines.append(f"Cause: {PAGES_OF_ERRORS[name].cause}\n")
        lines.append(f"Fix: {PAGES_OF_ERRORS[name].fix}\n")
    return "\n".join(lines)


def checks_page() -> str:
    """Every check with what it looks for and why."""
    lines = [
        "# Checks\n",
        "`wayra-db doctor` makes all of these, `wayra-db status` those that are marked: they need no more than a few",
        "commands. `doctor --only ID` makes one, `doctor --explain ID` shows its line. A check that needs a right that",
        "the user lacks is listed as not made. On development and test databases most findings of the area `security`",
        "are only told, as `info`. The limits are those of `wayra_db.health.checks.Limits`.\n",
        "| check | area | `status` | what | why |",
        "|---|---|---|---|---|",
    ]
    for check in CHECKS:
        lines.append(f"| `{check.id}` | {check.area} | {'yes' if check.glance else ''} | {check.title} | {check.why} |")
    return "\n".join([*lines, ""])


def environments_page() -> str:
    """The policy table."""
    lines = [
        "# Environments\n",
        "`WAYRA_ENV` or `--env`; development when neither is set. The rules are enforced in the library as well as in",
        "the command line. The database carries the name of its environment, and a command of another one changes",
        "nothing in it.\n",
        "| | development | test | production |",
        "|---|---|---|---|",
    ]
    hows: list[str] = []
    for rule in environment.POLICY.values():
        cells = []
        for decision in (rule.development, rule.test, rule.production):
            match decision:
                case environment.Allowed():
                    cells.append("yes")
                case environment.NeedsPermission(how):
                    cells.append("with permission")
                    hows.append(f"- {rule.words}: {how}")
                case environment.Refused(instead):
                    cells.append("refused")
                    hows.append(f"- {rule.words}: {instead}")
        lines.append(f"| {rule.words} | {' | '.join(cells)} |")
    lines += [
        "",
        "Backups, imports and the dropping of indexes have their rules before they have their commands.\n",
        "In production:\n",
    ]
    return "\n".join([*lines, *hows, ""])


PAGES = {
    "reference/commands.md": commands_page,
    "reference/settings.md": settings_page,
    "reference/exit-codes.md": exit_codes_page,
    "reference/errors.md": errors_page,
    "reference/checks.md": checks_page,
    "reference/environments.md": environments_page,
}


def picture() -> str:
    """A terminal with `wayra-db init` and `wayra-db status`, from a real run on a copy of the Wayra project."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=96, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary) / "wayra"
        shutil.copytree(ROOT / "wayra", project, ignore=shutil.ignore_patterns(".wayra", "backups"))
        try:
            for arguments in (["init"], ["status"]):
                console.print(Text(f"$ wayra-db {' '.join(arguments)}", style="bold"))
                shown = on_a_terminal(arguments, project).split("\nTry next:")[0]
                console.print(Text.from_ansi(shown.rstrip() + "\n"))
        finally:
            on_a_terminal(["server", "stop"], project)
    # Without the fonts that the template would fetch from elsewhere; any monospaced one will do.
    return re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="wayra"), flags=re.DOTALL)


def on_a_terminal(arguments: list[str], folder: Path) -> str:
    """What a command shows on a terminal of its own, colours included."""
    import pty

    tool = Path(sys.executable).parent / "wayra-db"
    kept = {"PATH": f"{tool.parent}:{os.environ['PATH']}", "TERM": "xterm-256color"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(["wayra-db", *arguments], cwd=folder, env=kept, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:
                break
            if not read:
                break
            shown += read
        process.wait()
    os.close(ours)
    # A line that was rewritten in place is shown as it was in the end.
    lines = shown.decode().replace("\r\n", "\n").split("\n")
    return "\n".join(line.rsplit("\r\x1b[2K", 1)[-1].removeprefix("\r") for line in lines)


def main() -> int:
    """Write, or check."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, page in PAGES.items():
        path, text = DOCS / name, GENERATED + page()
        if check:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if check:
        for name in stale:
            print(f"docs/{name} is not as the code says: run `make docs`")
        return 1 if stale else 0
    (DOCS / "images").mkdir(exist_ok=True)
    (DOCS / "images" / "init.svg").write_text(picture(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
