from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.migrations.lint.support import lint
from wayra_db.migrations.lint import RULES, DeclaredFields, Rule
from wayra_db.migrations.lint.pages import read_page

ROOT = Path(__file__).parents[4]
FENCE = re.compile(r"```(?:python|text)\n# migrations/(\S+)\n(.*?)```", re.DOTALL)
DECLARATIONS = {"users": DeclaredFields(indexed=frozenset({"phone"}))}


def section(rule: Rule, heading: str) -> str:
    """A part of a rule's page."""
    return read_page(rule).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def projects(text: str) -> Iterator[dict[str, str]]:
    """The example projects of a section; a file name that comes again begins another project."""
    files: dict[str, str] = {}
    for name, code in FENCE.findall(text):
        if name in files:
            yield files
            files = {}
        files[name] = code
    yield files


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_has_its_page(rule: Rule) -> None:
    """With the rule's name, why, a bad and a good example, how to suppress it, and a line in the table of rules."""
    page = (ROOT / rule.page).read_text(encoding="utf-8")
    assert page.startswith(f"# {rule.id} {rule.slug}\n\n{rule.title}. *{rule.severity.value.capitalize()}.*\n")
    assert read_page(rule) == page
    for heading in ("Why", "Bad", "Good", "Suppress"):
        assert section(rule, heading).strip()
    table = (ROOT / "docs/reference/lint.md").read_text(encoding="utf-8")
    assert f"| [{rule.id}](lint/{rule.id}.md) `{rule.slug}` | {rule.severity.value} | {rule.title} |" in table


def test_there_is_no_page_without_a_rule() -> None:
    """A page of a rule that is gone misleads."""
    pages = {path.stem for path in (ROOT / "docs/reference/lint").glob("*.md")}
    assert pages == {rule.id for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_bad_example_is_found_by_this_rule_alone(tmp_path: Path, rule: Rule) -> None:
    """Whoever reads the page sees one mistake at a time."""
    (files,) = projects(section(rule, "Bad"))
    report = lint(tmp_path, files, declarations=DECLARATIONS)
    assert {finding.rule.id for finding in report.findings} == {rule.id}
    assert {finding.severity for finding in report.findings} == {rule.severity}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_good_examples_are_clean(tmp_path: Path, rule: Rule) -> None:
    """Nothing is found, and only the pages about suppressions suppress anything."""
    found = list(projects(section(rule, "Good")))
    assert found[0]
    for number, files in enumerate(found):
        folder = tmp_path / str(number)
        folder.mkdir()
        report = lint(folder, files, declarations=DECLARATIONS)
        assert report.findings == ()
        assert bool(report.suppressed) is (rule.id in ("MG901", "MG902"))


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.check is not None], ids=lambda rule: rule.id)
def test_the_safe_code_can_be_pasted(tmp_path: Path, rule: Rule) -> None:
    """It is Python, and says something beside comments unless nothing is to be written instead."""
    (files,) = projects(section(rule, "Bad"))
    for finding in lint(tmp_path, files, declarations=DECLARATIONS).findings:
        safe = finding.safe
        if safe.startswith("except"):
            safe = f"try:\n    pass\n{safe}"
        if safe.startswith("def ") and safe.endswith(":"):
            safe += " ..."
        if safe.startswith(("await", "async for")):
            safe = f"async def up(db):\n    {safe}"
        assert safe
        ast.parse(safe)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.check is not None], ids=lambda rule: rule.id)
def test_the_suppression_on_the_page_suppresses(tmp_path: Path, rule: Rule) -> None:
    """The comment that the page shows, above the line of the finding."""
    comment = next(line for line in section(rule, "Suppress").splitlines() if line.startswith("# wayra: ignore["))
    (files,) = projects(section(rule, "Bad"))
    first = lint(tmp_path, files, declarations=DECLARATIONS).findings
    (path,) = {finding.path for finding in first}
    lines = files[path.name].splitlines()
    for line in sorted({finding.line for finding in first}, reverse=True):
        indent = " " * (len(lines[line - 1]) - len(lines[line - 1].lstrip()))
        lines.insert(line - 1, indent + comment)
    report = lint(tmp_path, {**files, path.name: "\n".join(lines) + "\n"}, declarations=DECLARATIONS)
    assert report.findings == ()
    assert {finding.rule.id for finding in report.suppressed} == {rule.id}


def test_ids_and_slugs_are_unique() -> None:
    """Either may stand in a comment."""
    names = [name for rule in RULES for name in (rule.id, rule.slug)]
    assert len(set(names)) == len(names)
    assert [rule.id for rule in RULES] == sorted(rule.id for rule in RULES)
