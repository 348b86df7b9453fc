"""What the project says of its database: environment, migrations, declarations, seeds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from wayra_db.health.checks.model import Check, Context
from wayra_db.health.facts import Facts
from wayra_db.health.findings import Finding, Severity, found

LOOK = "wayra-db migrate status"


def _unreadable(facts: Facts, context: Context) -> Iterator[Finding]:
    for part, reason in (facts.status.unreadable or {}).items():
        if part != "connection":
            evidence = {"part": part, "reason": reason}
            yield found("error", f"{part} could not be read: {reason}", evidence=evidence)


def _unreachable(facts: Facts, context: Context) -> Iterator[Finding]:
    failure = facts.status.failure
    if failure is not None:
        evidence = {"address": facts.status.address, "error": type(failure).__name__}
        yield found("error", failure.message, evidence=evidence, advice=failure.hint)


def _readable(facts: Facts) -> bool:
    """Whether it is known which environment the database belongs to."""
    unreadable = facts.status.unreadable or {}
    return facts.status.deployment is not None and not {"environment", "connection"} & set(unreadable)


def _unclaimed(facts: Facts, context: Context) -> Iterator[Finding]:
    if _readable(facts) and facts.status.stored_environment is None and facts.status.unclaimed_data:
        yield found(
            "error",
            "the database holds data and belongs to no environment yet",
            advice="Claim it, if it is the one you mean",
            command="wayra-db init --adopt",
        )


def _new(facts: Facts, context: Context) -> Iterator[Finding]:
    if _readable(facts) and facts.status.stored_environment is None and not facts.status.unclaimed_data:
        yield found("warning", "the database was never initialised", command="wayra-db init", pending=True)


def _mismatch(facts: Facts, context: Context) -> Iterator[Finding]:
    status = facts.status
    if _readable(facts) and status.stored_environment not in (None, status.environment):
        yield found(
            "error",
            f"the database belongs to {status.stored_environment}, this shell to {status.environment}: every change is "
            "refused",
            evidence={"database": status.stored_environment, "shell": status.environment},
            advice="Check MONGODB_URI and WAYRA_ENV.",
        )


def _belongs_here(facts: Facts) -> bool:
    return _readable(facts) and facts.status.stored_environment == facts.status.environment


def _reset(facts: Facts, context: Context) -> Iterator[Finding]:
    if _belongs_here(facts) and facts.status.resetting:
        yield found(
            "error",
            "a reset was cut off: nothing else is done before it is finished",
            advice="Finish it",
            command="wayra-db reset",
        )


def _restore(facts: Facts, context: Context) -> Iterator[Finding]:
    if _belongs_here(facts) and facts.status.restoring and not facts.status.resetting:
        yield found(
            "error",
            f"a restore of {facts.status.restoring} was cut off while it was swapped in, and some collections are "
            "still the old ones: nothing else is done before it is finished",
            evidence={"backup": facts.status.restoring},
            advice="Finish it",
            command="wayra-db backup restore --continue",
        )


def _leftovers(facts: Facts, context: Context) -> Iterator[Finding]:
    """Not while somebody holds the lock, who may be using them."""
    status = facts.status
    if _belongs_here(facts) and status.leftovers and not status.restoring and not (status.lock and status.lock.held):
        count = len(status.leftovers)
        yield found(
            "warning",
            f"{count} temporary collection{'s' if count > 1 else ''} of a restore or an import that was cut off: "
            f"{', '.join(status.leftovers)}",
            evidence={"collections": list(status.leftovers)},
            advice="Have them finished or dropped",
            command="wayra-db backup restore --continue",
            pending=True,
        )


def _lock(facts: Facts, context: Context) -> Iterator[Finding]:
    lock = facts.status.lock
    if lock is not None and lock.held:
        yield found(
            "info",
            f"{lock.holder} on {lock.host} is changing the database: {lock.what}",
            evidence={"holder": lock.holder, "host": lock.host, "what": lock.what},
        )
    elif lock is not None and lock.holder is not None:
        yield found(
            "info",
            f"{lock.holder} on {lock.host} died at {lock.what or 'work'} without giving back the lock",
            evidence={"holder": lock.holder, "host": lock.host, "what": lock.what},
            advice="The next runner takes it over by itself.",
        )


def _migrations(
    severity: Severity, verdicts: Sequence[str], advice: str = "", command: str = "", *, pending: bool = False
) -> Check:
    """A check for migrations in one of these states."""
    first = verdicts[0]

    def find(facts: Facts, context: Context) -> Iterable[Finding]:
        units = migration_states(facts)
        for verdict in verdicts:
            yield from _named("migration", verdict, units, severity, advice, command, pending=pending)

    return Check(
        f"migrations-{first.replace(' ', '-')}",
        "project",
        f"Migrations: {', '.join(verdicts)}",
        _WHY_MIGRATIONS[first],
        find,
        glance=True,
    )


_WHY_MIGRATIONS = {
    "failed": "A migration raised, or was cut off outside a transaction; later ones wait until it is settled.",
    "edited": "A file has changed since it was applied, so that it no longer says what was done to this database.",
    "missing file": "A migration was applied and its file is gone: this checkout is older than the database, or lost "
    "it.",
    "out of order": "A pending file has a lower version than one that was applied, as after a late merge.",
    "pending": "The code expects what these migrations do.",
    "running": "A runner is at it right now.",
}


def migration_states(facts: Facts) -> list[tuple[str, str]]:
    """Each migration's name and state, a pending one behind an applied one being out of order."""
    migrations = facts.status.migrations or ()
    newest = max((number for number, unit in enumerate(migrations) if unit.verdict == "applied"), default=-1)
    return [
        (unit.name, "out of order" if unit.verdict == "pending" and number < newest else unit.verdict)
        for number, unit in enumerate(migrations)
    ]


def _named(
    kind: str,
    state: str,
    units: Sequence[tuple[str, str]],
    severity: Severity,
    advice: str = "",
    command: str = "",
    *,
    pending: bool = False,
) -> Iterator[Finding]:
    names = [name for name, verdict in units if verdict == state]
    if names:
        several = "s" if len(names) > 1 else ""
        message = f"{len(names)} {kind}{several} {state}: {', '.join(names)}"
        evidence = {"state": state, "names": names}
        yield found(severity, message, evidence=evidence, advice=advice, command=command, pending=pending)


def _schema(facts: Facts, context: Context) -> Iterator[Finding]:
    for drift in facts.status.schema.drift if facts.status.schema else ():
        yield found("warning", drift, command="wayra-db init", pending=True)


def _conflicts(facts: Facts, context: Context) -> Iterator[Finding]:
    for conflict in facts.status.schema.conflicts if facts.status.schema else ():
        yield found(
            "error", conflict, advice="Correct the declaration, or move the data into a new collection in a migration."
        )


def _undeclared(facts: Facts, context: Context) -> Iterator[Finding]:
    for name in facts.status.schema.undeclared if facts.status.schema else ():
        yield found("info", f"collection {name} is not declared", evidence={"collection": name})


def _indexes(facts: Facts, context: Context) -> Iterator[Finding]:
    for drift in facts.status.indexes.drift if facts.status.indexes else ():
        yield found("warning", drift, command="wayra-db indexes apply", pending=True)


def _undeclared_indexes(facts: Facts, context: Context) -> Iterator[Finding]:
    for name in facts.status.indexes.undeclared if facts.status.indexes else ():
        yield found("info", f"index {name} is not declared", evidence={"index": name})


def _seeds(state: str, severity: Severity, command: str, id: str, why: str, *, pending: bool = False) -> Check:
    def find(facts: Facts, context: Context) -> Iterable[Finding]:
        units = [(unit.name, unit.verdict) for unit in facts.status.seeds or ()]
        return _named("seed", state, units, severity, command=command, pending=pending)

    return Check(f"seeds-{id}", "project", f"Seeds: {state}", why, find, glance=True)


def _glance(id: str, title: str, why: str, find: Callable[[Facts, Context], Iterator[Finding]]) -> Check:
    return Check(id, "project", title, why, find, glance=True)


CHECKS: Sequence[Check] = (
    Check(
        "unreachable",
        "connection",
        "The deployment cannot be reached",
        "Nothing can be read or changed. What lies in the project's own folder is shown all the same.",
        _unreachable,
        glance=True,
    ),
    Check(
        "unreadable",
        "project",
        "A part could not be read",
        "The rest stands; this part needs a right, a correction of a file, or a server that answers.",
        _unreadable,
        glance=True,
    ),
    _glance(
        "database-unclaimed",
        "Data without an environment",
        "The database holds data that nobody has claimed, so that no command may change it by mistake.",
        _unclaimed,
    ),
    _glance(
        "environment-mismatch",
        "The database belongs to another environment",
        "Most often the URI of one environment in the shell of another: every change is refused.",
        _mismatch,
    ),
    _glance("reset-unfinished", "A reset was cut off", "The database is half empty until it is finished.", _reset),
    _glance(
        "restore-unfinished",
        "A restore was cut off while it was swapped in",
        "Old and new collections stand side by side until it is finished.",
        _restore,
    ),
    _migrations("error", ("failed", "interrupted"), command=LOOK),
    _migrations("error", ("edited",), command=LOOK),
    _migrations("error", ("missing file",), command=LOOK),
    _migrations(
        "error",
        ("out of order",),
        "Renumber the file to come last, or run it",
        "wayra-db migrate --allow-out-of-order",
    ),
    _glance(
        "schema-conflict",
        "A declaration that the live collection cannot follow",
        "Some options are fixed for the life of a collection.",
        _conflicts,
    ),
    _seeds("failed", "error", "wayra-db seed", "failed", "Its data is not there, or only a part of it."),
    _glance("database-new", "The database was never initialised", "Nothing has been created yet.", _new),
    _glance(
        "leftovers",
        "What a restore or an import that was cut off has left",
        "Copies of other collections take room; where documents were on their way, some may be there and others not.",
        _leftovers,
    ),
    _migrations("warning", ("pending", "stopped"), command="wayra-db migrate", pending=True),
    _glance(
        "schema-drift",
        "Collections are not as declared",
        "A validator, an option or the collection itself is missing or differs.",
        _schema,
    ),
    _glance(
        "indexes-drift",
        "Indexes are not as declared",
        "A missing index makes queries read whole collections; a missing unique index lets duplicates in.",
        _indexes,
    ),
    _seeds(
        "pending", "warning", "wayra-db seed", "pending", "The data that this environment asks for is not there.",
        pending=True,
    ),
    _glance(
        "lock-holder", "Who is changing the database", "One runner at a time changes it; others wait.", _lock
    ),
    _migrations("info", ("running",)),
    _glance(
        "collections-undeclared",
        "Collections without declarations",
        "Nobody says what belongs into them; backups redact nothing there.",
        _undeclared,
    ),
    _glance(
        "indexes-undeclared",
        "Indexes that nobody declares",
        "A new database would not get them, and they may be forgotten leftovers.",
        _undeclared_indexes,
    ),
    _seeds(
        "changed since it ran", "info", "wayra-db seed --again", "changed",
        "The file says something else than what was written.",
    ),
)  # fmt: skip

# What these commands would do is refused while the database belongs to nobody or to others, or is half-made.
CHANGING = frozenset(
    {"wayra-db init", "wayra-db migrate", "wayra-db seed", "wayra-db seed --again", "wayra-db indexes apply"}
)
GATES = (
    "database-unclaimed", "database-new", "environment-mismatch", "reset-unfinished", "restore-unfinished",
)  # fmt: skip
