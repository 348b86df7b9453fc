"""The root command, the way from an exception to an exit code, and a fast way out."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

import click

from wayra_db import __version__
from wayra_db.cli._exit_codes import ExitCode
from wayra_db.cli._groups import Group, help_if_alone
from wayra_db.cli._options import shared_options
from wayra_db.cli._output import Output
from wayra_db.cli._run import Run
from wayra_db.cli._streams import open_missing
from wayra_db.errors import CancelledError, WayraError

PROGRAM = "wayra-db"
# Modules make many objects and no garbage: looking for some while they are loaded costs a tenth of a short command.
GARBAGE_AFTER = 100_000
COMPLETE_VARIABLE = "_WAYRA_DB_COMPLETE"

# Each command: the module that holds it under the same name, and its summary, so that help loads no module.
COMMANDS = {
    "init": ("init", "Create, migrate, index and seed the database."),
    "reset": ("init", "Drop all collections and initialise the database again."),
    "clear": ("init", "Delete all documents of the declared collections."),
    "status": ("status", "Show the database at a glance."),
    "doctor": ("doctor", "Check everything, and say what to do."),
    "dashboard": ("dashboard", "Show the database live, in a page of your browser."),
    "migrate": ("migrate", "Run, list, write and roll back migrations."),
    "seed": ("seed", "Fill the database with development or test data."),
    "indexes": ("indexes", "Compare declared indexes with live ones, build the missing."),
    "backup": ("backup", "Make, verify and restore backups; export and import."),
    "maintenance": ("maintenance", "Look after a database in use: samples, checks, clean-up, compaction."),
    "recover": ("recover", "Bring a lost database back from a backup."),
    "lock": ("lock", "Show who is changing the database, or free a lock by force."),
    "history": ("history", "Show who changed the database, and when."),
    "server": ("server", "Start, stop and look at the project's own MongoDB."),
    "config": ("config", "Show the settings and where each comes from."),
    "environment": ("environment", "Show what is allowed, or change a database's environment."),
    "explain": ("explain", "Say what an error or a finding means."),
    "new": ("new", "Write a small project that works at once."),
    "completion": ("completion", "Print the completion script of a shell."),
}


class Root(Group):
    """Loads a command's module when the command is used or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of daily use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"wayra_db.cli.{COMMANDS[cmd_name][0]}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with their summaries."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


EPILOG = """\b
Examples:
  wayra-db new shop && cd shop && wayra-db init
  wayra-db status
  wayra-db migrate create --name "add user roles"
  wayra-db migrate
  WAYRA_ENV=production MONGODB_URI=mongodb://... wayra-db migrate status

\b
Exit codes:
""" + "\n".join(f"  {code.value:>3}  {code.meaning}" for code in ExitCode)


@click.command(
    cls=Root, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True
)
@click.version_option(__version__, "--version", message="wayra-db %(version)s")
@shared_options
@help_if_alone
def root() -> None:
    """Creates, migrates, seeds, indexes and looks after a MongoDB database."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit code.

    The process ends by `os._exit` once everything is flushed and closed: PyMongo's exit handler would wait half a
    second for a thread that only sleeps.
    """
    gc.set_threshold(GARBAGE_AFTER)
    open_missing()
    run = Run(os.environ)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a sign that the terminal does not have is no error
    if instruction := os.environ.get(COMPLETE_VARIABLE):
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(root, {}, PROGRAM, COMPLETE_VARIABLE, instruction))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stopper(run))
    code = _invoke(run, sys.argv[1:] if arguments is None else arguments)
    for close in (run.close, sys.stdout.flush, sys.stderr.flush):
        try:
            close()
        except BrokenPipeError:
            pass
        except Exception as error:
            code = code or ExitCode.FAILED
            sys.stderr.write(f"error: could not end cleanly: {type(error).__name__}\n")
    os._exit(code)


def _invoke(run: Run, arguments: Sequence[str]) -> int:
    try:
        with root.make_context(PROGRAM, list(arguments), obj=run) as context:
            result = root.invoke(context)
        return result if isinstance(result, int) else ExitCode.OK
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        if "--json" in arguments:  # it may stand behind the mistake, where the parser has not come to
            run.given["json"] = True
        _usage(run.output, error)
        return ExitCode.USAGE
    except click.ClickException as error:
        run.output.error(WayraError(error.format_message()))
        return ExitCode.FAILED
    except WayraError as error:
        run.output.error(error)
        if run.debug:
            _traceback()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        run.output.error(
            CancelledError("broken off", hint="See `wayra-db status` for where it stands; run it again to go on.")
        )
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; nothing more can be written there.
        run.output.close_results()
        return ExitCode.OK
    except OSError as error:
        run.output.error(WayraError(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"))
        if run.debug:
            _traceback()
        return ExitCode.FAILED
    except Exception as error:
        return _unexpected(run, error)


def _usage(output: Output, error: click.UsageError) -> None:
    from wayra_db.mongo.errors import without_credentials

    context = error.ctx
    hint = f"See `{context.command_path} --help`." if context else "See `wayra-db --help`."
    # A URI in the wrong place is quoted by the parser, password and all.
    message = without_credentials(" ".join(error.format_message().split()))
    output.error(UsageError(message, hint=hint))


class UsageError(WayraError):
    """The command line was used in a way that it does not know."""

    exit_code = ExitCode.USAGE


def _unexpected(run: Run, error: Exception) -> int:
    from pymongo.errors import PyMongoError

    from wayra_db.mongo.errors import translate

    if isinstance(error, PyMongoError):
        known = translate(error, "the database")
        run.output.error(known)
    else:
        known = WayraError(
            f"unexpected {type(error).__name__}: {error}",
            hint="This is a fault in wayra-db. Run it again with --debug and report what it prints.",
        )
        run.output.error(known)
    if run.debug:
        _traceback()
    return known.exit_code


def _traceback() -> None:
    import traceback

    sys.stderr.write(traceback.format_exc())


def _stopper(run: Run) -> Any:
    def handle(number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if run.stop.requested:
            raise KeyboardInterrupt
        run.stop.request(name)
        if run.stop.protecting:
            run.output.note_at_once(f"{name}: ending at the next safe point; once more to break off now")
            return
        run.stop.check()

    return handle
