"""The standard streams: there also where the process was started without them, and the results kept apart."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO


def open_missing() -> None:
    """Give the process the standard streams that it was started without, leading nowhere.

    Daemons and some schedulers close them. Python then has None in their place, and the next file or connection that is
    opened gets the free number, so that whatever writes to "standard output" by its number would write into that.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest free one, which is the missing stream's own
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="replace", closefd=False))


@contextmanager
def results_apart(stdout: TextIO) -> Iterator[TextIO]:
    """Within the block everybody's standard output is standard error, child processes' too; only what is yielded still
    writes to the true one.
    """
    try:
        number = stdout.fileno()
    except OSError:  # a stream in memory: there is only Python's own name for it
        with redirect_stdout(sys.stderr):
            yield stdout
        return
    stdout.flush()
    true = os.dup(number)
    try:
        os.dup2(sys.stderr.fileno(), number)
        results = os.fdopen(true, "w", encoding=stdout.encoding, errors=stdout.errors, closefd=False)
        with results, redirect_stdout(sys.stderr):
            yield results
    finally:
        os.dup2(true, number)
        os.close(true)
