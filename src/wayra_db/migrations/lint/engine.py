"""Runs the rules over migration files and joins what they find with the comments that suppress it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from wayra_db import sourcefile
from wayra_db.errors import MigrationLoadError
from wayra_db.migrations.lint.model import Context, Declarations, Finding, LintReport, Problem, Rule
from wayra_db.migrations.lint.registry import chosen_rules, rule_named, unknown_rule
from wayra_db.migrations.lint.rules import COMMENT_RULES, FOLDER_RULES, unreadable_file
from wayra_db.migrations.lint.source import Source, follow, read_source
from wayra_db.migrations.lint.suppress import CommentFacts, Suppression, read_suppressions
from wayra_db.migrations.model import Migration


def lint_migrations(
    migrations: Sequence[Migration],
    *,
    declarations: Declarations | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> LintReport:
    """Lint migrations that the loader has read; each is judged with those before it in the sequence in mind.

    `declarations` say which fields are indexed and validated (`declared_fields`), None when nobody knows. `select` and
    `ignore` name rules by id or slug; `notes` are passed on to the report. Reads the files, and runs and writes
    nothing. Raises ConfigError for an unknown rule.
    """
    rules = chosen_rules(select=select, ignore=ignore)
    sources = [follow(one, sourcefile.read_source(one.path)) for one in migrations]
    found = _lint(sources, frozenset(one.path for one in sources), rules, declarations)
    return _report([one.path for one in sources], found, rules, notes)


def lint_folder(
    directory: Path,
    *,
    declarations: Declarations | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> LintReport:
    """Lint a folder of migrations as a whole: every file, versions that stand twice, and `latest.txt`.

    Everything that a pre-merge check can know without a database. A file that cannot be read is a finding, and the
    others are judged all the same. Otherwise as `lint_migrations`.
    """
    paths = migration_files(directory)
    report = lint_paths(paths, declarations=declarations, select=select, ignore=ignore, notes=notes)
    found = [
        _finding(rule, path, problem, None)
        for rule, check in FOLDER_RULES.items()
        if rule in report.rules
        for path, problem in check(directory, paths)
    ]
    return _report(paths, [*report.findings, *report.suppressed, *found], report.rules, notes)


def lint_paths(
    paths: Sequence[Path],
    *,
    declarations: Declarations | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> LintReport:
    """Lint these files; other migrations in their folders are read too, since a rule may ask what ran before.

    As `lint_folder`, without its judgement of the folder.
    """
    rules = chosen_rules(select=select, ignore=ignore)
    wanted = {path.resolve(): path for path in paths}
    found: list[Finding] = []
    for directory in dict.fromkeys(path.parent for path in wanted.values()):
        sources = []
        for path in dict.fromkeys([*migration_files(directory), *(one for one in paths if one.parent == directory)]):
            try:
                sources.append(read_source(path))
            except MigrationLoadError as error:
                if path.resolve() in wanted and unreadable_file.RULE in rules:
                    found.append(_unreadable(path, error))
        sources.sort(key=lambda source: (source.migration.version, str(source.path)))
        chosen = frozenset(source.path for source in sources if source.path.resolve() in wanted)
        found += _lint(sources, chosen, rules, declarations)
    return _report(list(wanted.values()), found, rules, notes)


def asks_for_declarations(paths: Sequence[Path]) -> bool:
    """Whether any of these files could be judged better by who knows the declarations; reading those runs code."""
    return any(b"$rename" in path.read_bytes() for path in paths if path.is_file())


def migration_files(directory: Path) -> list[Path]:
    """The files of a folder that must be migrations, by name."""
    return [path for path in sorted(directory.glob("*.py")) if not path.name.startswith("_")]


def _report(paths: Sequence[Path], found: Sequence[Finding], rules: Sequence[Rule], notes: Sequence[str]) -> LintReport:
    ordered = sorted(found, key=lambda finding: finding.position)
    return LintReport(
        files=tuple(paths),
        findings=tuple(one for one in ordered if one.reason is None),
        suppressed=tuple(one for one in ordered if one.reason is not None),
        rules=tuple(rules),
        notes=tuple(notes),
    )


def _lint(
    sources: Sequence[Source], wanted: Collection[Path], rules: Sequence[Rule], declarations: Declarations | None
) -> list[Finding]:
    found: list[Finding] = []
    for number, source in enumerate(sources):
        if source.path in wanted:
            context = Context(tuple(sources[:number]), declarations)
            findings = dict.fromkeys(_findings(source, context, rules))
            found += _suppressed(source, list(findings), rules)
    return found


def _findings(source: Source, context: Context, rules: Sequence[Rule]) -> Iterator[Finding]:
    for rule in rules:
        if rule.check is not None:
            for problem in rule.check(source, context):
                yield _finding(rule, source.path, problem, source)


def _finding(rule: Rule, path: Path, problem: Problem, source: Source | None) -> Finding:
    line, column, end_line, end_column = 1, 1, 1, 1
    node = problem.node
    if isinstance(node, (ast.expr, ast.stmt, ast.ExceptHandler, ast.keyword, ast.alias)) and source is not None:
        line, end_line = node.lineno, node.end_lineno or node.lineno
        column = _characters(source, line, node.col_offset)
        end_column = _characters(source, end_line, node.end_col_offset or node.col_offset)
        if hasattr(node, "body"):  # of a function, a loop or a `try`, its first line is meant
            end_line, end_column = line, len(source.lines[line - 1]) + 1
    severity = problem.severity or rule.severity
    return Finding(rule, severity, path, line, column, end_line, end_column, problem.message, problem.safe)


def _characters(source: Source, line: int, offset: int) -> int:
    """A column in characters from 1; Python counts bytes of UTF-8."""
    return len(source.lines[line - 1].encode()[:offset].decode(errors="replace")) + 1


def _unreadable(path: Path, error: MigrationLoadError) -> Finding:
    line = error.line or 1
    message = error.message.removeprefix(f"{path}:{error.line}: " if error.line else f"{path}: ")
    advice = "" if error.hint == "Nothing has run." else f". {error.hint}"
    rule = unreadable_file.RULE
    return Finding(rule, rule.severity, path, line, 1, line, 1, f"{message}{advice}")


def _suppressed(source: Source, findings: list[Finding], rules: Sequence[Rule]) -> list[Finding]:
    """The findings with the reasons of the comments that suppress them, and what is wrong with comments."""
    comments = read_suppressions(source.text)
    used: set[Suppression] = set()
    joined = []
    for finding in findings:
        covering = [
            one
            for one in comments
            if one.reason and rule_named(one.rule) is finding.rule and one.covers(finding.line, finding.end_line)
        ]
        used.update(covering)
        joined.append(replace(finding, reason=covering[0].reason) if covering else finding)
    for one in comments:
        facts = CommentFacts(rule_named(one.rule), one in used, rules, unknown_rule(one.rule))
        for rule, check in COMMENT_RULES.items():
            message = check(one, facts) if rule in rules else None
            if message is not None:
                joined.append(_about_comment(rule, source.path, one, message))
    return joined


def _about_comment(rule: Rule, path: Path, comment: Suppression, message: str) -> Finding:
    line = comment.line
    return Finding(rule, rule.severity, path, line, comment.column, line, comment.end_column, message)
