from __future__ import annotations

import pytest

from wayra_db.environment import (
    DESTRUCTIVE,
    POLICY,
    READING,
    Action,
    Allowed,
    Environment,
    NeedsPermission,
    Refused,
    check,
    describe,
    require,
    require_marker,
)
from wayra_db.errors import RefusedError

DEVELOPMENT, TEST, PRODUCTION = Environment

# The design's table for production, written again by hand so that a slip in either is seen.
IN_PRODUCTION = {
    Action.MIGRATE: Allowed,
    Action.APPLY_SCHEMA: Allowed,
    Action.APPLY_INDEXES: Allowed,
    Action.SET_ENVIRONMENT: Allowed,
    Action.RELEASE_LOCK: Allowed,
    Action.ROLLBACK: NeedsPermission,
    Action.REHEARSE: Allowed,
    Action.DROP_INDEXES: NeedsPermission,
    Action.EXPIRE_DOCUMENTS: NeedsPermission,
    Action.INDEX_SENSITIVE_FIELDS: NeedsPermission,
    Action.PROVE_INDEXES: Allowed,
    Action.SAMPLE_INDEXES: Allowed,
    Action.PROFILE: Allowed,
    Action.PROFILE_EVERYTHING: Refused,
    Action.BACKUP_CREATE: NeedsPermission,
    Action.EXPORT: NeedsPermission,
    Action.EXPORT_SENSITIVE: NeedsPermission,
    Action.BACKUP_DELETE: NeedsPermission,
    Action.IMPORT: NeedsPermission,
    Action.RESTORE: NeedsPermission,
    Action.RECOVER: NeedsPermission,
    Action.FINISH_RESTORE: Allowed,
    Action.SEED: Refused,
    Action.RESET: Refused,
    Action.CLEAR: Refused,
    Action.RESTORE_OVER_DATA: Refused,
    Action.EMBEDDED_SERVER: Refused,
    Action.MAINTAIN: Allowed,
    Action.VALIDATE_FULL: NeedsPermission,
    Action.REBUILD_INDEXES: NeedsPermission,
    Action.COMPACT: NeedsPermission,
    Action.COMPACT_PRIMARY: NeedsPermission,
}


def test_the_table_decides_on_every_action() -> None:
    """A new action cannot be forgotten, neither in the table nor here."""
    assert set(POLICY) == set(Action) == set(IN_PRODUCTION)


@pytest.mark.parametrize("action", Action)
def test_production_decides_as_designed(action: Action) -> None:
    """Production's column of the table."""
    assert type(check(action, PRODUCTION)) is IN_PRODUCTION[action]


@pytest.mark.parametrize("environment", [DEVELOPMENT, TEST])
@pytest.mark.parametrize("action", Action)
def test_development_and_test_allow_everything(action: Action, environment: Environment) -> None:
    """The columns of development and test."""
    assert check(action, environment) == Allowed()
    require(action, environment)


@pytest.mark.parametrize("action", [action for action, kind in IN_PRODUCTION.items() if kind is NeedsPermission])
def test_permission_opens_its_own_action_only(action: Action) -> None:
    """Each permission is explicit: others do not count, its own does."""
    others = set(Action) - {action}
    with pytest.raises(RefusedError, match="explicit permission in production") as caught:
        require(action, PRODUCTION, permitted=others)
    assert "--allow-" in caught.value.allowed_by
    require(action, PRODUCTION, permitted={action})


@pytest.mark.parametrize("action", [action for action, kind in IN_PRODUCTION.items() if kind is Refused])
def test_no_permission_opens_what_is_refused(action: Action) -> None:
    """A refusal names the rule, the environment and what would help, and nothing lifts it."""
    with pytest.raises(RefusedError, match="is refused in production: nothing was changed") as caught:
        require(action, PRODUCTION, permitted=set(Action))
    error = caught.value
    assert (error.rule, error.environment, error.exit_code) == (action.value, "production", 14)
    assert error.allowed_by
    assert error.hint == error.allowed_by


def test_describe_lists_every_action_once() -> None:
    """The status page and the docs show the whole column."""
    assert [action for action, _ in describe(PRODUCTION)] == list(Action)
    assert dict(describe(PRODUCTION))[Action.SEED] == check(Action.SEED, PRODUCTION)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("environment", Environment)
@pytest.mark.parametrize("has_data", [True, False])
def test_a_database_of_another_environment_refuses_everything(
    action: Action, environment: Environment, has_data: bool
) -> None:
    """A wrong URI in a developer's shell changes nothing, and not even `adopt` takes the database over."""
    for stored in set(Environment) - {environment}:
        with pytest.raises(RefusedError, match=f"belongs to {stored}, and the command runs as {environment}") as caught:
            require_marker(action, environment=environment, stored=stored.value, has_data=has_data, adopt=True)
        assert caught.value.rule == "database_environment"
        assert f"--env {stored}" in caught.value.allowed_by


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("adopt", [True, False])
def test_a_database_of_this_environment_or_an_empty_one_is_open(action: Action, adopt: bool) -> None:
    """The marker fits, or there is nothing to lose yet."""
    require_marker(action, environment=TEST, stored="test", has_data=True, adopt=adopt)
    require_marker(action, environment=TEST, stored=None, has_data=False, adopt=adopt)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("adopt", [True, False])
def test_an_unclaimed_database_with_data_opens_to_adoption_only(action: Action, adopt: bool) -> None:
    """Reading is open, claiming needs `adopt`, and nothing is destroyed on the way."""
    is_open = action in READING or (adopt and action not in DESTRUCTIVE)
    if is_open:
        require_marker(action, environment=DEVELOPMENT, stored=None, has_data=True, adopt=adopt)
        return
    with pytest.raises(RefusedError, match="belongs to no environment yet") as caught:
        require_marker(action, environment=DEVELOPMENT, stored=None, has_data=True, adopt=adopt)
    assert caught.value.rule == "unclaimed_database"
    assert "wayra-db init --adopt" in caught.value.allowed_by


def test_what_destroys_is_named() -> None:
    """The two sets as they were decided; an action that joins one is a decision worth a second look."""
    assert {
        Action.ROLLBACK,
        Action.DROP_INDEXES,
        Action.RESET,
        Action.CLEAR,
        Action.RESTORE,
        Action.RESTORE_OVER_DATA,
        Action.RECOVER,
        Action.IMPORT,
    } == DESTRUCTIVE
    assert {
        Action.REHEARSE,
        Action.PROVE_INDEXES,
        Action.BACKUP_CREATE,
        Action.BACKUP_DELETE,
        Action.EXPORT,
        Action.EXPORT_SENSITIVE,
        Action.EMBEDDED_SERVER,
    } == READING
