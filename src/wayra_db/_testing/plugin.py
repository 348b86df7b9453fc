"""The part of the pytest plugin that makes a test item of each migration of a project.

With the option `--wayra-project PATH`, or the ini setting `wayra_project`, there is a
`migrations/0003_add_user_roles.py::up-down-up` for each. All are rehearsed together, once, when the first of them runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from pymongo.database import Database

    from wayra_db.migrations.rehearsal import Finding, RehearsalReport

NAME = "up-down-up"
DECLARATIONS = "declarations"


class Hooks:
    """What a project may write into its conftest.py."""

    @pytest.hookspec(firstresult=True)
    def pytest_wayra_prepare(self, database: Database[dict[str, Any]]) -> object:
        """Fill `database` with data as it was before the first migration."""


class UnsoundMigrationError(Exception):
    """A migration did not do what it should."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__()
        self.findings = findings

    def __str__(self) -> str:
        lines = []
        for one in self.findings:
            lines.append(f"{one.check.value}: {one.message}")
            lines += [f"  _id {', '.join(one.examples)}"] if one.examples else []
            lines += [f"  → {one.next}"] if one.next else []
        return "\n".join(lines)


class Checked:
    """A project whose migrations are rehearsed once, for all of their items."""

    def __init__(self, folder: Path, config: pytest.Config) -> None:
        self.folder = folder
        self._config = config
        self._outcome: RehearsalReport | Exception | None = None

    def report(self) -> RehearsalReport:
        """The report of the one rehearsal; what made it impossible is raised for each item."""
        if self._outcome is None:
            from wayra_db._testing.migrations import check_migrations

            hook = self._config.hook.pytest_wayra_prepare
            try:
                self._outcome = check_migrations(self.folder, prepare=lambda database: hook(database=database))
            except Exception as error:
                self._outcome = error
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class MigrationItem(pytest.Item):
    """One migration, or with version None the declarations of the project."""

    def __init__(self, *, checked: Checked, version: int | None, **more: Any) -> None:
        super().__init__(**more)
        self._checked = checked
        self._version = version

    def runtest(self) -> None:
        """Fail with the problems that were found."""
        from wayra_db.migrations.rehearsal.model import Check

        report = self._checked.report()
        found = [one for one in report.problems if one.version == self._version]
        if found:
            raise UnsoundMigrationError(found)
        for one in report.findings:
            if one.version == self._version is not None and one.check is Check.NOT_REHEARSED:
                pytest.skip(one.message)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The findings alone: a traceback through the plugin tells nobody anything."""
        from wayra_db.errors import WayraError

        if isinstance(excinfo.value, UnsoundMigrationError):
            return str(excinfo.value)
        if isinstance(excinfo.value, WayraError):
            return "\n".join(part for part in (excinfo.value.message, excinfo.value.hint) if part)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands in reports."""
        return self.path, None, self.name


class MigrationFile(pytest.File):
    """The file of a migration, or the project's own."""

    def collect(self) -> Iterator[pytest.Item]:
        """Its items are made by the plugin, so that they need not lie below the paths that pytest was given."""
        return iter(())


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make the hook known."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option and the ini setting."""
    text = "check the migrations of the wayra-db project in this folder: up, down and up again"
    parser.getgroup("wayra-db").addoption("--wayra-project", metavar="PATH", help=text)
    parser.addini("wayra_project", f"{text}; not when files or tests are named on the command line")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the items, before -k and -m choose among them."""
    folder = _folder(config)
    if folder is not None:
        items += _items(session, Checked(folder, config))


def _folder(config: pytest.Config) -> Path | None:
    given = config.getoption("--wayra-project")
    if given:
        return (config.invocation_params.dir / str(given)).resolve()
    written = config.getini("wayra_project")
    if written and config.args_source is not pytest.Config.ArgsSource.ARGS:
        return (config.rootpath / str(written)).resolve()
    return None


def _items(session: pytest.Session, checked: Checked) -> Iterator[pytest.Item]:
    from wayra_db.errors import WayraError
    from wayra_db.migrations.loader import load_migrations
    from wayra_db.settings import load_settings

    try:
        settings = load_settings(flags=None, environ={"WAYRA_ENV": "test"}, start=checked.folder)
        migrations = load_migrations(settings.migrations_dir)
    except WayraError as error:
        _usage(error)
    for migration in migrations:
        file = MigrationFile.from_parent(session, path=migration.path)
        yield MigrationItem.from_parent(file, name=NAME, checked=checked, version=migration.version)
    if settings.collections_dir.is_dir():
        file = MigrationFile.from_parent(session, path=settings.collections_dir)
        yield MigrationItem.from_parent(file, name=DECLARATIONS, checked=checked, version=None)


def _usage(error: Any) -> NoReturn:
    raise pytest.UsageError(f"wayra-db: {error.message}{f' ({error.hint})' if error.hint else ''}") from error
