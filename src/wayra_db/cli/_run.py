"""What the commands of one invocation share: its flags, its output, its stop request, its project."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wayra_db.cli._output import Output
from wayra_db.cli._streams import results_apart
from wayra_db.stopping import Stop

if TYPE_CHECKING:
    from wayra_db.cli._progress import Renderer
    from wayra_db.environment import Action
    from wayra_db.project import Project
    from wayra_db.settings import Settings

# The program's name in front of one of its commands; those that work on no project stay as they are, and so does help.
_COMMAND = re.compile(r"(?<![\w/.-])wayra-db(?= (?!new\b|completion\b|explain\b)([a-z]+)\b(?![^`\n]*--help))")


class Run:
    """One invocation of the command line. `given` holds the shared flags that were used, by their parameter names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.given: dict[str, Any] = {}
        self.stop = Stop()
        self.started = time.monotonic()
        self._resources = ExitStack()

    @property
    def debug(self) -> bool:
        """Whether tracebacks and server commands are shown."""
        if "debug" in self.given:
            return bool(self.given["debug"])
        from wayra_db.settings.options import OPTIONS

        return bool(OPTIONS["debug"].parse(self.environ.get("DEBUG", "")))

    @cached_property
    def output(self) -> Output:
        """Where results and errors go."""
        return Output(
            as_json=bool(self.given.get("json")),
            quiet=bool(self.given.get("quiet")),
            no_color=bool(self.environ.get("NO_COLOR")),
            before_writing=self.end_progress,
            pasteable=self.pasteable,
            logs_json=self._logs_json(),
        )

    def _logs_json(self) -> bool:
        """Whether what goes beside the results is a log for programs. A wrong value is told by the settings."""
        from wayra_db.settings.options import OPTIONS

        def value(key: str) -> str:
            option = OPTIONS[key]
            given = self.given.get(option.flag.lstrip("-").replace("-", "_"))
            return str(given or self.environ.get(option.variable) or option.default).strip().lower()

        if value("log.format") != "auto":
            return value("log.format") == "json"
        return value("environment") == "production" and not sys.stderr.isatty()

    @cached_property
    def renderer(self) -> Renderer:
        """The observer of everything that happens; made at its first use, since help needs none."""
        from wayra_db.cli._progress import Renderer

        return Renderer(self.output, verbose=bool(self.given.get("verbose")) or self.debug)

    def begin(self) -> None:
        """Prepare the output for a command's own work: with --json nothing but its document goes to stdout, whatever
        the user's files print.
        """
        if self.output.as_json:
            self.output.results = self._resources.enter_context(results_apart(self.output.results))

    def project(self, *, permitted: Collection[Action] = (), adopt: bool = False) -> Project:
        """The project that the flags, the environment and the folder name; closed when the process ends."""
        import logging

        from wayra_db.cli._progress import LogLines
        from wayra_db.project import Project

        logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[LogLines(self.renderer)])
        logging.getLogger("wayra_db").setLevel(logging.INFO)  # what `ctx.log` says in migrations and seeds
        project = Project.open(
            self._folder(),
            flags=self._settings_flags(),
            environ=self.environ,
            observer=self.renderer,
            stop=self.stop,
            permitted=permitted,
            adopt=adopt,
        )
        return self._resources.enter_context(project)

    def settings(self) -> Settings:
        """The settings alone, for commands that need no database."""
        from wayra_db.settings import load_settings

        return load_settings(flags=self._settings_flags(), environ=self.environ, start=self._folder())

    @cached_property
    def invocation(self) -> str:
        """How this command line was called, with the flags that say what it works on, quoted for a shell.

        A secret in the URI stays hidden: pasted, the command is refused by the server, and reaches no other database.
        """
        from wayra_db.cli._options import parameter
        from wayra_db.settings import redact_uri
        from wayra_db.settings.options import OPTIONS, Kind

        found = shutil.which("wayra-db", path=self.environ.get("PATH", ""))
        called = Path(sys.argv[0])
        words = [sys.argv[0] if called.name == "wayra-db" and called != Path(found or "") else "wayra-db"]
        if folder := self.given.get("project"):
            words += ["--project", folder]
        for option in OPTIONS.values():
            value = self.given.get(parameter(option)) if option.flag else None
            if value is not None and option.kind not in (Kind.SECONDS, Kind.SWITCH):
                words += [option.flag, redact_uri(value) if option.secret else value]
        return shlex.join(words)

    def pasteable(self, text: str) -> str:
        """`text` with each command on this project in it as it must be called from here."""
        from wayra_db.cli._app import COMMANDS

        return _COMMAND.sub(lambda found: self.invocation if found[1] in COMMANDS else found[0], text)

    def _folder(self) -> Path:
        if self.given.get("project") == "":  # as an unset variable of a script has it; not the folder it runs in
            raise click.UsageError("--project is empty; `.` is the folder that you are in.")
        return Path(self.given.get("project") or self.environ.get("WAYRA_PROJECT") or ".")

    def _settings_flags(self) -> dict[str, Any]:
        from wayra_db.cli._options import parameter
        from wayra_db.settings.options import OPTIONS

        return {option.key: self.given.get(parameter(option)) for option in OPTIONS.values() if option.flag}

    def confirm(self, question: str, expected: str) -> None:
        """Have the user type `expected`, unless --yes was given. Without a terminal, or with --no-input, an error."""
        if self.given.get("yes"):
            return
        if self.given.get("no_input") or not sys.stdin.isatty():
            raise click.UsageError(f"{question} Nobody is there to confirm it: repeat the command with --yes.")
        self.end_progress()
        answer = click.prompt(f"{question}\nType {expected} to go on", default="", show_default=False, err=True)
        if answer.strip() != expected:
            raise click.ClickException("not confirmed; nothing was changed")

    def end_progress(self) -> None:
        """Take bars and unfinished lines off the terminal; `output` does so itself before it writes."""
        if "renderer" in self.__dict__:
            self.renderer.close()

    def close(self) -> None:
        """Close the project and take progress off the terminal."""
        self.end_progress()
        self._resources.close()
