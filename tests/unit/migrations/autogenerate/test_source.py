from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import assert_tidy
from wayra_db.migrations.autogenerate import DeclaredChanges, IndexChange, write_source
from wayra_db.migrations.autogenerate.changes import CollectionChange, Rewrite
from wayra_db.migrations.loader import read_migration

STRICT = {"validator": {"a": 1}, "validationLevel": "strict", "validationAction": "error"}
OPEN: dict[str, Any] = {"validator": {}, "validationLevel": "strict", "validationAction": "error"}
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)


def written(**parts: Any) -> str:
    """The source for these changes."""
    return write_source(DeclaredChanges(**parts), title="t", version=1, created="2026-01-01T00:00:00.000Z")


def test_a_file_says_what_it_does() -> None:
    """What changes stands beside what was; checks come before changes; `down` goes the other way round."""
    source = written(
        collections=(CollectionChange("users", {}, STRICT, OPEN),),
        indexes=(IndexChange("users", None, {"key": {"a": 1}, "name": "a_1", "unique": True}),),
    )
    up, down = source.index("\ndef up(db):"), source.index("\ndef down(db):")
    assert source[up:].startswith("""
def up(db):
    # While nothing is changed yet: do the documents that are there keep to the rules?
    # Reads each once.
    require_valid(db, "users", USERS_RULES["validator"])

    # Set validator of users. Where it is missing, it is created.
    with unless(NAMESPACE_EXISTS):
        db.command({"create": "users", **USERS_RULES})
    db.command({"collMod": "users", **USERS_RULES})

    # Build the missing indexes of users in one pass; reads and writes go on meanwhile.
    # a_1 is unique: it cannot be built while documents share a.
    db.command({"createIndexes": "users", "indexes": USERS_INDEXES})


def down(db):
    # Drop the indexes of users that `up` built.
    for index in USERS_INDEXES:
        drop_index(db, "users", index["name"])

    # Give users its former rules. Documents written meanwhile are not looked at.
    db.command({"collMod": "users", **USERS_RULES_BEFORE})
""")
    assert up < down
    assert "def replace_index" not in source  # only what is called
    assert "def require_empty" not in source


@pytest.mark.parametrize(
    ("after", "before", "said"),
    [
        ({"unique": True}, {}, "i is unique: it cannot be built while documents share a."),
        ({"expireAfterSeconds": 5}, {}, "the server deletes documents 5 seconds after their time"),
        ({"unique": True}, {"unique": True}, ""),
        ({"expireAfterSeconds": 5}, {"expireAfterSeconds": 5}, ""),
    ],
)
def test_what_a_person_should_know(after: dict[str, Any], before: dict[str, Any], said: str) -> None:
    """What can fail and what deletes documents is said where it stands, and only then."""
    base = {"key": {"a": 1}, "name": "i"}
    up = (
        written(indexes=(IndexChange("c", {**base, **before}, {**base, **after}),)).split("def up")[1].split("\ndef")[0]
    )
    text = " ".join(line.strip().removeprefix("# ") for line in up.splitlines())
    assert said in text
    assert said or ("unique" not in text and "deletes" not in text)


def test_names_that_would_be_one_constant() -> None:
    """Each gets its own."""
    source = written(collections=tuple(CollectionChange(name, {}, STRICT) for name in ("a.b", "a-b", "A b", "9", "ж")))
    for name in ("A_B_RULES", "A_B_RULES_2", "A_B_RULES_3", "C_9_RULES", "RULES"):
        assert f"\n{name} = {{" in source


@settings(max_examples=40, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), NAMES, NAMES)
def test_any_names(tmp_path_factory: pytest.TempPathFactory, names: list[str], index_name: str, field: str) -> None:
    """Quotes, newlines, backslashes, other alphabets in names: the file can be read, formatted and run."""
    source = written(
        collections=(
            CollectionChange(names[0], {"capped": True, "size": 5}, STRICT, shard_key={field: 1}),
            *(CollectionChange(name, {}, STRICT, OPEN) for name in names[1:]),
        ),
        indexes=(
            IndexChange(names[0], None, {"key": {field: 1}, "name": index_name, "unique": True}),
            IndexChange(names[-1], {"key": {field: 1}, "name": "x"}, {"key": {field: -1}, "name": index_name}),
            IndexChange(
                names[0],
                {"key": {field: 1}, "name": index_name},
                {"key": {field: 1}, "name": index_name, "hidden": True},
                {"hidden": True},
            ),
        ),
        rewrites=(Rewrite(names[0], "collection", (f"`{field}` differs",), {}, ({"key": {"a": 1}, "name": "a"},)),),
        left_alone=(f"collection {index_name}",),
    )
    assert_tidy(source)
    path = tmp_path_factory.mktemp("migrations") / "0001_any.py"
    path.write_text(source, encoding="utf-8")
    assert read_migration(path).up.blockers


def test_what_is_left_alone_is_named() -> None:
    """As many as one can read; the rest is counted."""
    source = written(left_alone=tuple(f"collection c{number:02}" for number in range(25)))
    text = " ".join(source.split())
    assert "Left alone, as it is declared nowhere: collection c00," in text
    assert "collection c19 and 5 more." in text
