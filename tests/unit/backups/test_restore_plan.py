from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from wayra_db.backups.live import LiveCollection
from wayra_db.backups.manifest import CollectionEntry, Consistency, Kind, LeftOut, Manifest, Source
from wayra_db.backups.policy import EXCLUDED
from wayra_db.backups.restore_plan import RestorePlan, RestoreRequest, plan_restore, view_order
from wayra_db.errors import (
    BackupError,
    ConfigError,
    RedactedBackupError,
    RestoreConflictError,
    UnsupportedDeploymentError,
    WayraError,
)

NOW = datetime(2026, 11, 25, tzinfo=UTC)
MANIFEST = Manifest(
    id="0" * 32,
    name="b",
    created_at=NOW,
    finished_at=NOW,
    tool_version="1",
    source=Source("shop", "development"),
    consistency=Consistency("snapshot", (1, 1)),
    codec="zstd",
)


def entry(name: str, kind: Kind = "collection", **options: Any) -> CollectionEntry:
    """A collection of the backup."""
    return CollectionEntry(name, kind, options, [], f"{name}.metadata.json", documents=2, bytes=20)


def live(**documents: int | LiveCollection) -> dict[str, LiveCollection]:
    """Live collections with so many documents."""
    return {
        name: value if isinstance(value, LiveCollection) else LiveCollection(name, "collection", {}, value)
        for name, value in documents.items()
    }


def plan(
    request: RestoreRequest,
    entries: list[CollectionEntry],
    there: Mapping[str, LiveCollection],
    manifest: Manifest | None = MANIFEST,
    **more: Any,
) -> RestorePlan:
    """The plan in development."""
    return plan_restore(
        request,
        backup="b",
        database="shop",
        environment=more.pop("environment", "development"),
        manifest=manifest,
        entries=entries,
        live=there,
        **more,
    )


ASK, DROP = RestoreRequest(), RestoreRequest(drop_existing=True)
KEEP, REPLACE = RestoreRequest(on_conflict="keep"), RestoreRequest(on_conflict="replace")
STATE = entry("_wayra_migrations")


@pytest.mark.parametrize(
    ("request_", "entries", "there", "expected"),
    [
        (ASK, [entry("a")], live(), {"a": "create"}),
        (ASK, [entry("a")], live(a=0), {"a": "replace"}),
        (ASK, [entry("a")], live(b=5), {"a": "create"}),
        (DROP, [entry("a")], live(a=5), {"a": "replace"}),
        (KEEP, [entry("a"), entry("b")], live(a=5), {"a": "merge", "b": "create"}),
        (REPLACE, [entry("a")], live(a=5), {"a": "merge"}),
        (RestoreRequest(collections=("b",)), [entry("a"), entry("b")], live(a=5), {"b": "create"}),
        (RestoreRequest(rename={"a": "c"}), [entry("a")], live(a=5), {"c": "create"}),
        (ASK, [entry("a"), STATE], live(_wayra_migrations=3), {"a": "create", "_wayra_migrations": "replace"}),
        (DROP, [entry("a"), STATE], live(a=1, _wayra_migrations=3), {"a": "replace", "_wayra_migrations": "replace"}),
        (DROP, [entry("a")], live(a=1, _wayra_migrations=3), {"a": "replace", "_wayra_migrations": "drop"}),
        (ASK, [entry("a"), STATE], live(b=1, _wayra_migrations=3), {"a": "create"}),
        (KEEP, [entry("a"), STATE], live(a=1, _wayra_migrations=3), {"a": "merge"}),
        (KEEP, [entry("a"), STATE], live(a=1), {"a": "merge", "_wayra_migrations": "create"}),
        (ASK, [entry("_wayra_log"), entry("_wayra_lock"), entry("_wayra_meta")], live(), {}),
        (ASK, [entry("_wayra_restore_1_0")], live(), {}),
        (ASK, [entry("v", "view")], live(v=LiveCollection("v", "view", {})), {"v": "replace"}),
    ],
)
def test_what_becomes_of_each(
    request_: RestoreRequest, entries: list[CollectionEntry], there: Mapping[str, LiveCollection], expected: Any
) -> None:
    """New, replaced, merged, forgotten, or left out."""
    found = plan(request_, entries, there)
    assert {one.name: one.how for one in found.targets} == expected
    assert {name for name, _ in found.skipped} == {one.name for one in entries} - {
        one.entry.name for one in found.targets if one.entry
    } - {"a" for _ in [0] if request_.collections == ("b",)}


CAPPED = LiveCollection("a", "collection", {"capped": True}, 5)
SERIES = LiveCollection("a", "timeseries", {}, 5)


@pytest.mark.parametrize(
    ("request_", "entries", "there", "error"),
    [
        (ASK, [entry("a")], live(a=5), RestoreConflictError),
        (KEEP, [entry("a", "timeseries")], live(a=5), RestoreConflictError),
        (KEEP, [entry("a", "view")], live(a=5), RestoreConflictError),
        (KEEP, [entry("a")], live(a=CAPPED), RestoreConflictError),
        (KEEP, [entry("a")], live(a=SERIES), RestoreConflictError),
        (RestoreRequest(drop_existing=True, on_conflict="keep"), [entry("a")], live(), ConfigError),
        (RestoreRequest(collections=("z",)), [entry("a")], live(), BackupError),
        (RestoreRequest(rename={"z": "y"}), [entry("a")], live(), BackupError),
        (RestoreRequest(rename={"a": "b"}), [entry("a"), entry("b")], live(), ConfigError),
        (RestoreRequest(rename={"a": "system.x"}), [entry("a")], live(), ConfigError),
        (RestoreRequest(rename={"a": "_wayra_log"}), [entry("a")], live(), ConfigError),
        (RestoreRequest(rename={"a": ""}), [entry("a")], live(), ConfigError),
    ],
)
def test_what_is_refused(
    request_: RestoreRequest,
    entries: list[CollectionEntry],
    there: Mapping[str, LiveCollection],
    error: type[WayraError],
) -> None:
    """Each with a hint at what would work."""
    with pytest.raises(error) as caught:
        plan(request_, entries, there)
    assert caught.value.hint


REDACTED = replace(MANIFEST, redacted=True, redactions={"a": {"email": "remove"}})


@pytest.mark.parametrize(
    ("request_", "there", "refused"),
    [
        (DROP, live(a=5), True),
        (REPLACE, live(a=5), True),
        (KEEP, live(a=5), False),
        (DROP, live(b=5), False),
        (DROP, live(a=0), False),
        (replace(DROP, allow_redacted=True), live(a=5), False),
    ],
)
def test_redacted_over_whole(request_: RestoreRequest, there: Mapping[str, LiveCollection], refused: bool) -> None:
    """Only where fields would be lost that are there now."""
    entries = [entry("a"), entry("b")]
    if refused:
        with pytest.raises(RedactedBackupError, match=" a, which"):
            plan(request_, entries, there, REDACTED)
    else:
        plan(request_, entries, there, REDACTED)


@pytest.mark.parametrize(
    ("there", "refused"),
    [
        (live(), False),
        (live(a=0), False),
        (live(a=LiveCollection("a", "collection", {}, 0, sharded=True)), True),
        (live(a=3), True),
    ],
)
def test_a_sharded_cluster(there: Mapping[str, LiveCollection], refused: bool) -> None:
    """Nothing with documents, and nothing that is sharded, is replaced there."""
    if refused:
        with pytest.raises(UnsupportedDeploymentError, match="sharded cluster"):
            plan(DROP, [entry("a")], there, sharded_cluster=True)
    else:
        plan(DROP, [entry("a")], there, sharded_cluster=True)


def test_views_come_after_what_they_look_at() -> None:
    """Whatever their order in the backup; a ring of views, which no server has, ends as well."""
    entries = [
        entry("c", "view", viewOn="b"),
        entry("b", "view", viewOn="a"),
        entry("a"),
        entry("x", "view", viewOn="y"),
        entry("y", "view", viewOn="x"),
    ]
    order = [one.name for one in view_order(plan(ASK, entries, {}).targets)]
    assert order[:3] == ["a", "b", "c"]
    assert sorted(order[3:]) == ["x", "y"]


def test_warnings() -> None:
    """Another environment, no one moment, a time series that cannot be swapped, documents that expire."""
    manifest = replace(MANIFEST, source=Source("shop", "production"), consistency=Consistency("none", None, "why"))
    expiring = replace(entry("b"), indexes=[{"name": "t", "expireAfterSeconds": 5}])
    found = plan(DROP, [entry("a", "timeseries"), expiring], live(a=SERIES), manifest)
    text = "\n".join(found.warnings)
    for part in ("one of production, and nothing was masked", "one moment: why", "a: a time series", "b: the server"):
        assert part in text


def test_what_is_of_another_time_is_told() -> None:
    """A collection apart from the moment of the others, and one that the backup leaves out and the database has."""
    parts = (replace(entry("a"), moment="snapshot"), replace(entry("ring"), moment="own"))
    manifest = replace(
        MANIFEST, collections=parts, left_out=(LeftOut("logs", EXCLUDED), LeftOut("gone", EXCLUDED), LeftOut("x", "y"))
    )
    found = plan(DROP, list(parts), live(a=1, ring=1, logs=3, x=1), manifest).warnings
    assert [one.partition(":")[0] for one in found] == ["ring", "logs"]
    assert plan(DROP, list(parts[:1]), live(a=1), manifest).warnings == ()
    assert replace(manifest, consistency=Consistency("none")).apart == ()


@pytest.mark.parametrize(
    ("recovering", "command"), [(False, "wayra-db backup restore b --allow-"), (True, "wayra-db recover --allow-")]
)
def test_advice_names_the_command_that_was_given(recovering: bool, command: str) -> None:
    """Recovery has its own, with the same flags."""
    manifest = replace(MANIFEST, redacted=True)
    with pytest.raises(RedactedBackupError) as caught:
        plan(replace(DROP, recovering=recovering), [entry("a")], live(a=1), manifest)
    assert command in caught.value.hint
    assert plan(DROP, [entry("a")], live(a=1), manifest, masked={"a"}).over_data == ("a",)
