"""A report as text, JSON, SARIF 2.1.0 and GitHub annotations. Pure: each returns a string."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wayra_db.migrations.lint.model import Finding, LintReport, Rule

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render_text(report: LintReport, *, base: Path | None = None) -> str:
    """For people: each finding with its place, its message, the safe code and its page; then how many there are.

    Paths are shown relative to `base` where they lie in it.
    """
    parts = [_block(finding, base) for finding in report.findings]
    parts += [f"note: {note}" for note in report.notes]
    files = f"{len(report.files)} {'file' if len(report.files) == 1 else 'files'}"
    suppressed = f"; {len(report.suppressed)} suppressed" if report.suppressed else ""
    if not report.findings:
        return "\n\n".join([*parts, f"{files}: nothing found{suppressed}."])
    counts = f"{_counted(len(report.errors), 'error')}, {_counted(len(report.warnings), 'warning')}"
    return "\n\n".join([*parts, f"{files}: {counts}{suppressed}."])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _block(finding: Finding, base: Path | None) -> str:
    where = f"{_shown(finding.path, base)}:{finding.line}:{finding.column}"
    lines = [f"{where}: {finding.severity.value} {finding.rule.id} {finding.rule.slug}"]
    lines += textwrap.wrap(
        _sentence(finding.message), 100, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )
    if finding.safe:
        lines += ["", textwrap.indent(finding.safe, "      "), ""]
    lines.append(f"  See wayra-db migrate lint --explain {finding.rule.id}, or {finding.rule.page}")
    return "\n".join(lines)


def _sentence(message: str) -> str:
    return message if message.endswith((".", "!", "?")) else f"{message}."


def _shown(path: Path, base: Path | None) -> str:
    if base is not None:
        resolved, root = path.resolve(), base.resolve()
        if resolved.is_relative_to(root):
            return resolved.relative_to(root).as_posix()
    return path.as_posix()


def render_json(report: LintReport) -> str:
    """The report's document."""
    return json.dumps(report.to_dict(), indent=2, ensure_ascii=False)


def render_github(report: LintReport, *, base: Path | None = None) -> str:
    """Workflow commands, one line each, that GitHub shows beside the changed lines; paths relative to `base`."""
    return "\n".join(_annotation(finding, base) for finding in report.findings)


def _annotation(finding: Finding, base: Path | None) -> str:
    properties: dict[str, object] = {"file": _shown(finding.path, base), "line": finding.line}
    if finding.end_line == finding.line:  # GitHub takes columns only within one line
        properties |= {"col": finding.column, "endColumn": finding.end_column}
    else:
        properties |= {"endLine": finding.end_line, "col": finding.column}
    properties["title"] = f"{finding.rule.id} {finding.rule.slug}"
    listed = ",".join(f"{key}={_escaped_property(str(value))}" for key, value in properties.items())
    safe = f"\n\n{finding.safe}" if finding.safe else ""
    message = f"{_sentence(finding.message)}{safe}\n\nSee {finding.rule.page}"
    return f"::{finding.severity.value} {listed}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def render_sarif(
    report: LintReport,
    *,
    version: str,
    base: Path | None = None,
    pages: Mapping[str, str] | None = None,
    pages_url: str = "",
) -> str:
    """A SARIF 2.1.0 log with one run, for code scanning. Suppressed findings are in it, marked as such.

    `version` is the tool's; paths are relative to `base`. `pages` gives a rule's page in Markdown by its id, and
    `pages_url` where the pages can be read; without it `helpUri` is left out, since SARIF takes absolute ones only.
    """
    findings = sorted([*report.findings, *report.suppressed], key=lambda finding: finding.position)
    indexes = {rule.id: number for number, rule in enumerate(report.rules)}
    document = {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "wayra-db migrate lint",
                        "semanticVersion": version,
                        "rules": [_sarif_rule(rule, pages or {}, pages_url) for rule in report.rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(finding, indexes, base) for finding in findings],
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            {"level": "note", "message": {"text": note}} for note in report.notes
                        ],
                    }
                ],
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _sarif_rule(rule: Rule, pages: Mapping[str, str], pages_url: str) -> dict[str, Any]:
    help = {"text": f"{rule.title}. See {rule.page}."}
    if rule.id in pages:
        help["markdown"] = pages[rule.id]
    return {
        "id": rule.id,
        "name": rule.slug,
        "shortDescription": {"text": f"{rule.title}."},
        "help": help,
        **({"helpUri": f"{pages_url.rstrip('/')}/{rule.id}.md"} if pages_url else {}),
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _sarif_result(finding: Finding, indexes: Mapping[str, int], base: Path | None) -> dict[str, Any]:
    safe = f"\n\nSafe:\n\n{finding.safe}" if finding.safe else ""
    result: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "ruleIndex": indexes[finding.rule.id],
        "level": finding.severity.value,
        "message": {"text": f"{_sentence(finding.message)}{safe}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(finding.path, base)},
                    "region": {
                        "startLine": finding.line,
                        "startColumn": finding.column,
                        "endLine": finding.end_line,
                        "endColumn": finding.end_column,
                    },
                }
            }
        ],
    }
    if finding.reason is not None:
        result["suppressions"] = [{"kind": "inSource", "justification": finding.reason}]
    return result


def _uri(path: Path, base: Path | None) -> str:
    shown = _shown(path, base)
    return quote(shown) if not Path(shown).is_absolute() else path.resolve().as_uri()
