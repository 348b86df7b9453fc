"""What a seeded database costs a test: put back, as against initialised anew, on the Wayra project."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from wayra_db import Project
from wayra_db.testing import seeded_database, temporary_server

WAYRA = Path(__file__).parents[1] / "wayra"
ROUNDS = 10


def median(work: Callable[[], object], before: Callable[[], object] = lambda: None, rounds: int = ROUNDS) -> float:
    """The median of the seconds that `work` takes, each time after `before`."""
    seconds = []
    for _ in range(rounds):
        before()
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> None:
    """Prints milliseconds, and each as a fraction of initialising anew."""
    with temporary_server() as server, server.client() as client:
        environ = {"MONGODB_URI": server.uri, "WAYRA_DATABASE": "bench", "WAYRA_ENV": "test"}

        def initialise() -> None:
            with Project.open(WAYRA, environ=environ, observer=lambda event: None) as project:
                project.initializer.run()

        whole = median(initialise, lambda: client.drop_database("bench"), rounds=3)
        print(f"{'initialise anew':<28} {whole * 1000:8.1f} ms")
        with seeded_database(WAYRA, server.uri) as seeded:
            database = seeded.database

            def write_to_all() -> None:
                for name in ("users", "trips"):
                    database[name].delete_many({})

            for name, before in (
                ("put back: nothing changed", lambda: None),
                ("put back: users, trips", write_to_all),
                ("put back: users dropped", database.users.drop),
            ):
                seconds = median(seeded.put_back, before)
                print(f"{name:<28} {seconds * 1000:8.1f} ms  1/{whole / seconds:.0f}")


if __name__ == "__main__":
    main()
