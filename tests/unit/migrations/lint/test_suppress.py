from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.migrations.lint.support import DOWN, ids, lint, only
from wayra_db.migrations.lint.suppress import read_suppressions

PLAIN = 'db.users.update_many({}, {"$set": {"a": 1}})'


def up(*lines: str, head: str = "") -> str:
    """A migration whose `up` has these lines."""
    body = "\n".join(f"    {line}" for line in lines)
    return f"{head}\n\n\ndef up(db):\n{body}\n{DOWN}"


@pytest.mark.parametrize(
    "text",
    [
        up(f"{PLAIN}  # wayra: ignore[MG101] twenty users"),
        up("# wayra: ignore[MG101] twenty users", PLAIN),
        up("# wayra: ignore[MG101] twenty users", "# and no more", "", PLAIN),
        up(f"{PLAIN}  # wayra: ignore[mg101] twenty users"),
        up(f"{PLAIN}  # wayra: ignore[unbatched-update] - twenty users"),
        up(f"{PLAIN}  # wayra:ignore [MG101]: twenty users"),
        up("db.users.update_many(", "    {},", '    {"$set": {"a": 1}},', ")  # wayra: ignore[MG101] twenty users"),
        up("db.users.update_many(", "    {},  # wayra: ignore[MG101] twenty users", '    {"$set": {"a": 1}},', ")"),
        up(PLAIN, PLAIN, head="# wayra: ignore-file[MG101] twenty users"),
    ],
)
def test_ways_to_suppress(tmp_path: Path, text: str) -> None:
    """On the line, within or at the end of the statement, above it, or for the file; by id or slug."""
    report = lint(tmp_path, text)
    assert report.findings == ()
    assert {one.rule.id for one in report.suppressed} == {"MG101"}
    assert {one.reason for one in report.suppressed} == {"twenty users"}
    assert report.is_clean(strict=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (up(f"{PLAIN}  # wayra: ignore[MG101]"), ["MG101", "MG901"]),
        (up(f"{PLAIN}  # wayra: ignore[MG101] --"), ["MG101", "MG901"]),
        (up(f"{PLAIN}  # wayra: ignore twenty users"), ["MG101", "MG902"]),
        (up(f"{PLAIN}  # wayra: ignore[] twenty users"), ["MG101", "MG902"]),
        (up(f"{PLAIN}  # wayra: ignore[MG110] twenty users"), ["MG101", "MG902"]),
        (up(f"{PLAIN}  # wayra: ignore[MG102] twenty users"), ["MG101", "MG903"]),
        (up(f"{PLAIN}  # wayra: ignore[MG101, MG102] twenty users"), ["MG903"]),
        (up(PLAIN, "# wayra: ignore[MG101] twenty users"), ["MG101", "MG903"]),
        (up("# wayra: ignore[MG101] twenty users", "db.users.find_one({})", PLAIN), ["MG903", "MG101"]),
        (up("db.users.find_one({})", head="# wayra: ignore-file[MG101] twenty users"), ["MG903"]),
        (up(f"{PLAIN}  # wayra: ignore[MG901] twenty users"), ["MG101", "MG903"]),
        (up(f"text = '# wayra: ignore[MG101] twenty users'; {PLAIN}"), ["MG101"]),
    ],
)
def test_suppressions_that_are_wrong(tmp_path: Path, text: str, expected: list[str]) -> None:
    """No reason, no such rule, nothing to suppress; text in a string is no comment."""
    assert sorted(ids(lint(tmp_path, text))) == sorted(expected)


def test_a_misspelt_rule_is_met_with_the_nearest(tmp_path: Path) -> None:
    """As for commands."""
    found = only(lint(tmp_path, up("pass  # wayra: ignore[unbatched-updates] x")))
    assert "Did you mean 'unbatched-update'?" in found.message


def test_a_rule_that_does_not_run_is_not_unused(tmp_path: Path) -> None:
    """A run of some rules says nothing of the comments for others."""
    text = up(f"{PLAIN}  # wayra: ignore[MG101] twenty users")
    assert ids(lint(tmp_path, text, ignore=["MG101"])) == []
    assert ids(lint(tmp_path, text, select=["MG102", "MG903"])) == []


def test_where_a_comment_stands() -> None:
    """Columns count from 1, and each rule of a list is one suppression."""
    found = read_suppressions("x = 1  # wayra: ignore[a, b] because\n")
    assert [(one.rule, one.reason, one.line, one.column, one.counts_for) for one in found] == [
        ("a", "because", 1, 8, 1),
        ("b", "because", 1, 8, 1),
    ]
