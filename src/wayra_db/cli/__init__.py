"""The command line. `main` is the console script; each command group has a file of its own, loaded when it is used."""

from wayra_db.cli._app import main

__all__ = ["main"]
