from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.migrations.lint.support import DOWN, lint
from wayra_db.migrations.lint import (
    RULES,
    Finding,
    LintReport,
    render_github,
    render_json,
    render_sarif,
    render_text,
    rule_named,
)

TEXT = f"""
def up(db):
    größe = db.users; größe.update_many({{}}, {{"$set": {{"a": 1}}}})
    db.log.delete_many({{}})  # wayra: ignore[MG101] fifty lines
{DOWN}"""


@pytest.fixture
def report(tmp_path: Path) -> LintReport:
    """One finding, one that is suppressed, in a folder with signs that need escaping."""
    folder = tmp_path / "a, b: 100% ü"
    folder.mkdir()
    return lint(folder, TEXT, notes=["a declaration is broken"])


def test_text(report: LintReport, tmp_path: Path) -> None:
    """Place, rule, message, safe code, page, and how many there are."""
    assert render_text(report, base=tmp_path).splitlines() == [
        "a, b: 100% ü/0007_step.py:3:23: error MG101 unbatched-update",
        "  update_many on all of users in one go: a large collection does not fit into the 60 seconds of a",
        "  transaction, and without one nothing remembers how far it came. Work in batches, each of which",
        "  commits with its checkpoint.",
        "",
        "      def up(db, ctx):",
        '          for batch in ctx.batches("users", {"a": {"$ne": 1}}, size=1000):',
        '              batch.update_many({"$set": {"a": 1}})',
        "",
        "  See wayra-db migrate lint --explain MG101, or docs/reference/lint/MG101.md",
        "",
        "note: a declaration is broken",
        "",
        "1 file: 1 error, 0 warnings; 1 suppressed.",
    ]


def test_text_of_nothing() -> None:
    """The empty state in words."""
    assert render_text(LintReport((), ())) == "0 files: nothing found."


def test_json(report: LintReport) -> None:
    """The report's document."""
    document = json.loads(render_json(report))
    assert document == report.to_dict()
    assert (document["errors"], document["warnings"]) == (1, 0)
    (found,) = document["findings"]
    assert (found["rule"], found["slug"], found["line"], found["column"]) == ("MG101", "unbatched-update", 3, 23)
    assert document["suppressed"][0]["reason"] == "fifty lines"


def test_github(report: LintReport, tmp_path: Path) -> None:
    """One line a finding, escaped as the runner's own toolkit escapes it; what is suppressed is left out."""
    (line,) = render_github(report, base=tmp_path).splitlines()
    assert line.startswith(
        "::error file=a%2C b%3A 100%25 ü/0007_step.py,line=3,col=23,endColumn=64,title=MG101 unbatched-update::"
        "update_many on all of users in one go: "
    )
    assert line.endswith('{"a": 1}})%0A%0ASee docs/reference/lint/MG101.md')


@pytest.mark.parametrize(
    ("message", "escaped"), [("50% done", "50%25 done"), ("a\r\nb", "a%0D%0Ab"), ("a:b,c", "a:b,c"), ("%0A", "%250A")]
)
def test_github_messages(message: str, escaped: str) -> None:
    """Colons and commas need it in properties only."""
    rule = RULES[0]
    finding = Finding(rule, rule.severity, Path("x.py"), 1, 1, 3, 2, message)
    line = render_github(LintReport((), (finding,)))
    assert line.startswith("::error file=x.py,line=1,endLine=3,col=1,title=")
    assert f"::{escaped}.%0A%0ASee " in line


def sarif(report: LintReport, **options: Any) -> dict[str, Any]:
    """The log."""
    document: dict[str, Any] = json.loads(render_sarif(report, version="1.2.3", **options))
    return document


def test_sarif(report: LintReport, tmp_path: Path) -> None:
    """What version 2.1.0 requires, and what code scanning needs of it."""
    document = sarif(report, base=tmp_path, pages={"MG101": "# Page"}, pages_url="https://docs.example/lint/")
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-2.1.0.json")
    (run,) = document["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("wayra-db migrate lint", "1.2.3")
    assert [rule["id"] for rule in driver["rules"]] == [rule.id for rule in RULES]
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"].endswith(".")
        assert rule["help"]["text"]
        assert rule["helpUri"] == f"https://docs.example/lint/{rule['id']}.md"
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note", "none")
    by_id = {rule["id"]: rule for rule in driver["rules"]}
    assert by_id["MG101"]["help"]["markdown"] == "# Page"
    assert run["columnKind"] == "unicodeCodePoints"
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "error"
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "a%2C%20b%3A%20100%25%20%C3%BC/0007_step.py"
        assert all(number >= 1 for number in place["region"].values())
    first, second = run["results"]
    assert "suppressions" not in first
    assert first["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 3,
        "startColumn": 23,
        "endLine": 3,
        "endColumn": 64,
    }
    assert second["suppressions"] == [{"kind": "inSource", "justification": "fifty lines"}]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "a declaration is broken"


def test_sarif_knows_only_absolute_addresses(report: LintReport) -> None:
    """Without an address for the pages there is no `helpUri`; a file outside the base is a file URI."""
    document = sarif(report, base=Path("/elsewhere"))
    (run,) = document["runs"]
    assert all("helpUri" not in rule for rule in run["tool"]["driver"]["rules"])
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.startswith("file:///")


def test_a_run_of_one_rule_lists_one(tmp_path: Path) -> None:
    """The indexes of results point into the list that is there."""
    report = lint(tmp_path, TEXT, select=["MG101"])
    document = sarif(report)
    assert [rule["id"] for rule in document["runs"][0]["tool"]["driver"]["rules"]] == ["MG101"]
    assert {result["ruleIndex"] for result in document["runs"][0]["results"]} == {0}
    assert rule_named("mg101") is report.rules[0]
