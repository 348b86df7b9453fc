"""The three environments and what each allows: one table, and the pure rules that read it.

The managers enforce it, so a program that uses the library gets the same protection as the command line. The database
itself carries the name of its environment; `require_marker` compares the two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from wayra_db.errors import RefusedError


class Environment(StrEnum):
    """Where a database is used; decides what is allowed on it."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class Action(StrEnum):
    """Something that a manager may be asked to do."""

    MIGRATE = "migrate"
    ROLLBACK = "rollback"
    REHEARSE = "rehearse"
    APPLY_SCHEMA = "apply_schema"
    APPLY_INDEXES = "apply_indexes"
    DROP_INDEXES = "drop_indexes"
    PROVE_INDEXES = "prove_indexes"
    SAMPLE_INDEXES = "sample_indexes"
    PROFILE = "profile"
    PROFILE_EVERYTHING = "profile_everything"
    EXPIRE_DOCUMENTS = "expire_documents"
    INDEX_SENSITIVE_FIELDS = "index_sensitive_fields"
    SEED = "seed"
    RESET = "reset"
    CLEAR = "clear"
    BACKUP_CREATE = "backup_create"
    BACKUP_DELETE = "backup_delete"
    RESTORE = "restore"
    RESTORE_OVER_DATA = "restore_over_data"
    EXPORT = "export"
    EXPORT_SENSITIVE = "export_sensitive"
    RECOVER = "recover"
    FINISH_RESTORE = "finish_restore"
    IMPORT = "import"
    SET_ENVIRONMENT = "set_environment"
    RELEASE_LOCK = "release_lock"
    EMBEDDED_SERVER = "embedded_server"
    MAINTAIN = "maintain"
    VALIDATE_FULL = "validate_full"
    REBUILD_INDEXES = "rebuild_indexes"
    COMPACT = "compact"
    COMPACT_PRIMARY = "compact_primary"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The environment allows the action."""


@dataclass(frozen=True, slots=True)
class NeedsPermission:
    """The environment allows the action to a caller who permits it explicitly, in the way that `how` says."""

    how: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The environment never allows the action; `instead` says what would help."""

    instead: str


Decision = Allowed | NeedsPermission | Refused


@dataclass(frozen=True, slots=True)
class Rule:
    """What each environment says to one action; `words` names the action in a sentence."""

    words: str
    development: Decision
    test: Decision
    production: Decision


_YES = Allowed()
_NOT_HERE = Refused("Only development and test allow it, on a database of their own.")
_WITH_FLAG = NeedsPermission("Repeat the command with --allow-production.")

POLICY: Mapping[Action, Rule] = {
    Action.MIGRATE: Rule("running migrations", _YES, _YES, _YES),
    Action.ROLLBACK: Rule("rolling back a migration", _YES, _YES, _WITH_FLAG),
    Action.REHEARSE: Rule("rehearsing migrations on a copy", _YES, _YES, _YES),
    Action.APPLY_SCHEMA: Rule("applying collections and validators", _YES, _YES, _YES),
    Action.APPLY_INDEXES: Rule("applying indexes", _YES, _YES, _YES),
    Action.DROP_INDEXES: Rule(
        "dropping indexes",
        _YES,
        _YES,
        NeedsPermission("Say so: wayra-db indexes apply --allow-production, or indexes retire for a single one."),
    ),
    Action.EXPIRE_DOCUMENTS: Rule(
        "letting documents expire", _YES, _YES, NeedsPermission("Say so: wayra-db indexes apply --allow-expiry.")
    ),
    Action.INDEX_SENSITIVE_FIELDS: Rule(
        "a text or wildcard index over sensitive fields",
        _YES,
        _YES,
        NeedsPermission("Say so: wayra-db indexes apply --allow-sensitive."),
    ),
    Action.PROVE_INDEXES: Rule("trying indexes on a copy", _YES, _YES, _YES),
    Action.SAMPLE_INDEXES: Rule("keeping how much indexes are used", _YES, _YES, _YES),
    Action.PROFILE: Rule("recording slow operations with the profiler", _YES, _YES, _YES),
    Action.PROFILE_EVERYTHING: Rule(
        "recording every operation with the profiler",
        _YES,
        _YES,
        Refused("Record the slow ones, for a while: wayra-db indexes profile on --level 1 --slow-ms 100 --for 10m."),
    ),
    Action.SEED: Rule("seeding", _YES, _YES, _NOT_HERE),
    Action.RESET: Rule("resetting the database", _YES, _YES, _NOT_HERE),
    Action.CLEAR: Rule("clearing collections", _YES, _YES, _NOT_HERE),
    Action.BACKUP_CREATE: Rule(
        "creating a backup",
        _YES,
        _YES,
        NeedsPermission("Set backups.allow_production = true and repeat the command with --allow-production."),
    ),
    Action.BACKUP_DELETE: Rule("deleting backups", _YES, _YES, _WITH_FLAG),
    Action.RESTORE: Rule("restoring where nothing is replaced", _YES, _YES, _WITH_FLAG),
    Action.RESTORE_OVER_DATA: Rule(
        "restoring over data",
        _YES,
        _YES,
        Refused("Restore into another database; a lost production database has its own command: wayra-db recover."),
    ),
    Action.EXPORT: Rule("exporting documents", _YES, _YES, _WITH_FLAG),
    Action.EXPORT_SENSITIVE: Rule(
        "exporting sensitive fields",
        _YES,
        _YES,
        NeedsPermission("Mask them with --redact, or repeat the command with --allow-production --include-sensitive."),
    ),
    Action.RECOVER: Rule("recovering from a backup", _YES, _YES, _WITH_FLAG),
    Action.FINISH_RESTORE: Rule("finishing a restore that was cut off", _YES, _YES, _YES),
    Action.IMPORT: Rule("importing documents", _YES, _YES, _WITH_FLAG),
    Action.SET_ENVIRONMENT: Rule("setting the database's environment", _YES, _YES, _YES),
    Action.RELEASE_LOCK: Rule("releasing another runner's lock", _YES, _YES, _YES),
    Action.EMBEDDED_SERVER: Rule(
        "using the embedded server", _YES, _YES, Refused("Set MONGODB_URI to the production deployment.")
    ),
    Action.MAINTAIN: Rule("maintaining the database", _YES, _YES, _YES),
    Action.VALIDATE_FULL: Rule(
        "validating collections while they are locked",
        _YES,
        _YES,
        NeedsPermission("Validate without a lock, by --validate alone, or repeat the command with --allow-production."),
    ),
    Action.REBUILD_INDEXES: Rule("rebuilding indexes", _YES, _YES, _WITH_FLAG),
    Action.COMPACT: Rule("compacting secondaries", _YES, _YES, _WITH_FLAG),
    Action.COMPACT_PRIMARY: Rule("compacting the primary", _YES, _YES, _WITH_FLAG),
}

# Not on a database with data that nobody has claimed for an environment, not even while claiming it.
DESTRUCTIVE = frozenset(
    {
        Action.ROLLBACK,
        Action.DROP_INDEXES,
        Action.RESET,
        Action.CLEAR,
        Action.RESTORE,
        Action.RESTORE_OVER_DATA,
        Action.RECOVER,
        Action.IMPORT,
    }
)

# These change nothing in the database, so it need not be claimed. A claim for another environment still counts:
# a backup of production under the name of development would slip past production's rule.
READING = frozenset(
    {
        Action.REHEARSE,
        Action.PROVE_INDEXES,
        Action.BACKUP_CREATE,
        Action.BACKUP_DELETE,
        Action.EXPORT,
        Action.EXPORT_SENSITIVE,
        Action.EMBEDDED_SERVER,
    }
)


def check(action: Action, environment: Environment, *, permitted: Collection[Action] = ()) -> Decision:
    """What `environment` says to `action`, given the actions that the caller has permitted explicitly."""
    rule = POLICY[action]
    match environment:
        case Environment.DEVELOPMENT:
            decision = rule.development
        case Environment.TEST:
            decision = rule.test
        case Environment.PRODUCTION:
            decision = rule.production
    return _YES if isinstance(decision, NeedsPermission) and action in permitted else decision


def describe(environment: Environment) -> list[tuple[Action, Decision]]:
    """Every action with what `environment` says to it, in the order of `Action`."""
    return [(action, check(action, environment)) for action in Action]


def require(action: Action, environment: Environment, *, permitted: Collection[Action] = ()) -> None:
    """Raise RefusedError unless `environment` allows `action`, or allows it with permission and it is `permitted`."""
    words = POLICY[action].words
    match check(action, environment, permitted=permitted):
        case Refused(allowed_by):
            raise _refusal(f"{words} is refused in {environment}", action, environment, allowed_by)
        case NeedsPermission(allowed_by):
            raise _refusal(f"{words} needs explicit permission in {environment}", action, environment, allowed_by)


def require_marker(
    action: Action, *, environment: Environment, stored: str | None, has_data: bool, adopt: bool
) -> None:
    """Raise RefusedError unless the database belongs to `environment`, or to nobody and may be claimed by `action`.

    `stored` is the environment's name that the database carries, None when it carries none; `has_data` says whether it
    then holds documents of the user. `adopt` lets an action that destroys nothing claim such a database.
    """
    if stored is not None and stored != environment:
        raise _refusal(
            f"this database belongs to {stored}, and the command runs as {environment}",
            action,
            environment,
            f"If this is the database you mean, use --env {stored}; if not, correct the URI or the database's name.",
            rule="database_environment",
        )
    if stored is not None or not has_data or action in READING:
        return
    if action in DESTRUCTIVE or not adopt:
        raise _refusal(
            "this database holds data and belongs to no environment yet",
            action,
            environment,
            f"If this is the database you mean, claim it for {environment} first: wayra-db init --adopt.",
            rule="unclaimed_database",
        )


def _refusal(
    reason: str, action: Action, environment: Environment, allowed_by: str, *, rule: str | None = None
) -> RefusedError:
    return RefusedError(
        f"{reason}: nothing was changed",
        rule=rule or action.value,
        environment=environment.value,
        allowed_by=allowed_by,
    )
