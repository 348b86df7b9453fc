"""The dashboard in a real browser, headless: what a person sees, and that it speaks with nobody else.

The browser is the one that WAYRA_TEST_BROWSER names, or one that is installed (Chromium, Chrome or Edge), or
Playwright's own (`python -m playwright install chromium`). Without any, these tests are skipped and the rest of the
dashboard's tests, which need none, stand.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db import locking
from wayra_db.dashboard import Dashboard
from wayra_db.mongo.client import Deployment
from wayra_db.testing import RecordingObserver

Documents = Database[dict[str, Any]]
INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
WAIT_MILLISECONDS = 30_000
PANELS: tuple[str, ...] = (
    "verdict",
    "operations",
    "server",
    "work",
    "migrations",
    "drift",
    "collections",
    "backups",
    "indexes",
)
PANELS += ("history", "queries")
# A name that would be markup, if text were ever made into some.
AWKWARD = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser for the tests of this file that one process runs."""
    with sync_playwright() as playwright:
        found = [
            os.environ.get("WAYRA_TEST_BROWSER"),
            *map(shutil.which, INSTALLED),
            playwright.chromium.executable_path,
        ]
        path = next((one for one in found if one and Path(one).exists()), None)
        if path is None:
            pytest.skip("no browser is installed: see the head of this file")
        # Its own sandbox does not start for root, nor in most containers; it only ever sees this page.
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@contextmanager
def opened(browser: Browser, server: Dashboard, **options: Any) -> Iterator[Page]:
    """The page as the printed address opens it; at the end, that it was quiet and spoke with its own server only."""
    context: BrowserContext = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(WAIT_MILLISECONDS)
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    context.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(server.url)
        page.wait_for_url(f"http://127.0.0.1:{server.access.port}/")
        expect(page.locator("#connection")).to_have_text("live", timeout=WAIT_MILLISECONDS)
        yield page
        assert complaints == []
        assert asked
        assert {
            url.partition("/?")[0] for url in asked if not url.startswith(f"http://127.0.0.1:{server.access.port}/")
        } == set()
    finally:
        context.close()


def shows(page: Page, panel: str, *texts: str | re.Pattern[str]) -> None:
    """A panel holds each of these texts, sooner or later."""
    for text in texts:
        expect(page.locator(f"#{panel}")).to_contain_text(text, timeout=WAIT_MILLISECONDS)


def prepare(sandbox: Sandbox, database: Documents) -> None:
    """A database with something to see in each panel."""
    sandbox.complete()
    with sandbox.open() as project:
        project.initializer.run()
        project.backups.create(name="nightly")
        project.backup_keeper.verify("nightly")
        project.backups.create(name="before_release")
    sandbox.migration(3, "pass")
    database.users.drop_index("email_1")
    database["left_over"].insert_many([{AWKWARD: number} for number in range(1234)])
    database.users.insert_many([{"email": f"{number}@example.com", "age": number} for number in range(100)])
    database.users.create_index([("age", 1)], name="by_age")
    database.command({"profile": 2})
    list(database.users.find({"email": {"$gt": "hunter2"}, AWKWARD: 1}).sort("email", 1))
    database.command({"profile": 0})


def test_every_panel_against_known_data(browser: Browser, sandbox: Sandbox, wayra_database: Documents) -> None:
    """Each shows what is in the database, and says nothing of values."""
    prepare(sandbox, wayra_database)
    entry = {"_id": 10_000, "event": f"seed ran {AWKWARD}", "at": datetime.now(UTC), "who": {"user": "ada"}}
    wayra_database["_wayra_log"].insert_one(entry)
    with sandbox.open() as project, Dashboard(project) as server, opened(browser, server) as page:
        expect(page.locator("#database")).to_have_text(wayra_database.name)
        expect(page.locator("#environment")).to_have_text("development")
        shows(page, "verdict", "Something is pending", "1 migration pending: step", "wayra-db migrate")
        shows(page, "operations", "reads", "writes", "commands", re.compile(r"\d/s"))
        shows(page, "server", "connections", "cache used", re.compile(r"\d+ of \d"), "up for")
        shows(page, "work", "The lock is free", "No batches, index builds or backups are under way.")
        shows(page, "migrations", "2 of 3 applied")
        expect(page.locator("#migrations li")).to_have_text(
            [re.compile("^3.*pending"), re.compile("^2.*applied"), re.compile("^1.*applied")]
        )
        shows(page, "drift", "1 collection as declared", "left_over", "index users.email_1 is missing", "0001_users")
        shows(page, "collections", re.compile("left_over1,234"), re.compile("users102"))
        shows(page, "backups", "nightly", "verified (structure)", "before_release", "not verified")
        shows(page, "indexes", "users.by_age", "age: 1", "trips._id_")
        shows(page, "history", "migration applied", "ada on")
        shows(page, "queries", "users.find", "$gt: ?", "The profiler is off.", "scan")
        for panel in PANELS:
            assert page.locator(f"#{panel}").get_attribute("data-state") == "ok", panel
        # Names are shown as they are, and made into nothing.
        shows(page, "history", AWKWARD)
        assert page.locator("main img").count() == 0
        assert "hunter2" not in page.content()
        assert "example.com" not in page.content()


def test_what_happens_is_seen(browser: Browser, sandbox: Sandbox, wayra_database: Documents) -> None:
    """The lock, a batch's progress, a backup's bytes, a collection and a migration change on the open page."""
    prepare(sandbox, wayra_database)
    point = {"_id": "3", "version": 3, "direction": "up", "number": 1, "collection": "users", "done": False}
    point |= {"documents": 10, "batches": 1, "total": 40, "last": [1]}
    deployment = Deployment(wayra_database.client, wayra_database.name)
    partial = sandbox.folder / "backups" / ".weekly.partial-0123456789abcdef"
    with sandbox.open() as project, Dashboard(project) as server, opened(browser, server) as page:
        shows(page, "migrations", "2 of 3 applied")
        with locking.acquire(deployment, "migrate", lease_seconds=30, timeout_seconds=5, observer=RecordingObserver()):
            shows(page, "work", "migrate holds the lock")
        shows(page, "work", "The lock is free")
        wayra_database["_wayra_checkpoints"].insert_one(point)
        progress = page.get_by_label("migration 3: users: 10 of 40")
        expect(progress).to_have_js_property("value", 10, timeout=WAIT_MILLISECONDS)
        wayra_database["_wayra_checkpoints"].update_one({}, {"$set": {"documents": 30}})
        progress = page.get_by_label("migration 3: users: 30 of 40")
        expect(progress).to_have_js_property("value", 30, timeout=WAIT_MILLISECONDS)
        partial.mkdir()
        (partial / "users.bson").write_bytes(b"x" * 1000)
        shows(page, "work", "backup weekly", "1.0 kB so far")
        (partial / "users.bson").write_bytes(b"x" * 5000)
        shows(page, "work", "5.0 kB so far")
        with sandbox.open() as other:
            wayra_database["_wayra_checkpoints"].delete_many({})
            other.migrations.up()
        shows(page, "migrations", "3 of 3 applied")
        shows(page, "work", "epoch")
        wayra_database.users.insert_many([{"email": f"more{number}@example.com"} for number in range(7)])
        shows(page, "collections", "+7")
        # What was inserted is in the chart's own words.
        expect(page.locator("#operations svg")).to_have_attribute(
            "aria-label", re.compile("Operations a second: .* reads")
        )


def test_without_the_token_nothing(browser: Browser, sandbox: Sandbox) -> None:
    """A page that guesses the address sees a line of text, and no cookie of another's helps it."""
    with sandbox.open() as project, Dashboard(project) as server:
        context = browser.new_context()
        page = context.new_page()
        for path in ("", "?token=wrong"):
            answer = page.goto(f"http://127.0.0.1:{server.access.port}/{path}")
            assert answer is not None
            assert answer.status == 401
            assert page.locator("body").inner_text().startswith("Unauthorized")
        assert context.cookies() == []
        context.close()
        assert server.feed.watched == 0


def test_by_keyboard_on_a_phone_in_the_dark(browser: Browser, sandbox: Sandbox, wayra_database: Documents) -> None:
    """The skip link comes first, everything can be reached and has a name, and nothing is wider than the screen."""
    prepare(sandbox, wayra_database)
    phone: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}
    with sandbox.open() as project, Dashboard(project) as server, opened(browser, server, **phone) as page:
        for panel in PANELS:
            expect(page.locator(f"#{panel} .body > *").first).to_be_visible(timeout=WAIT_MILLISECONDS)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        ground = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(ground) == "rgb(14, 20, 19)"
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the panels")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        page.get_by_role("button", name="Change between light and dark").press("Enter")
        assert page.evaluate(ground) == "rgb(244, 246, 245)"
        page.reload()
        assert page.evaluate(ground) == "rgb(244, 246, 245)"
        copy = page.get_by_role("button", name="Copy: wayra-db migrate", exact=True).first
        copy.focus()
        # The verdict is drawn anew when something changes; who was there stays there.
        wayra_database.create_collection("one_more")
        shows(page, "verdict", "collection one_more is not declared")
        expect(page.get_by_role("button", name="Copy: wayra-db migrate", exact=True).first).to_be_focused()


def test_a_part_that_fails_says_why(browser: Browser, sandbox: Sandbox, wayra_database: Documents) -> None:
    """And the others stand, with what they know."""
    prepare(sandbox, wayra_database)
    with sandbox.open() as project, Dashboard(project) as server:
        sandbox.write("backups/broken/manifest.json", "{")
        with opened(browser, server) as page:
            shows(page, "migrations", "2 of 3 applied")
            sandbox.migration(3, "this is no Python (")
            expect(page.locator("#migrations .failed")).to_contain_text("0003_step.py", timeout=WAIT_MILLISECONDS)
            shows(page, "migrations", "2 of 3 applied")
            shows(page, "backups", "broken", "damaged")
            assert page.locator("#indexes").get_attribute("data-state") == "ok"


def test_the_page_knows_when_the_dashboard_has_ended(browser: Browser, sandbox: Sandbox) -> None:
    """It shows that nothing is live any more, and keeps what was known."""
    with sandbox.open() as project:
        server = Dashboard(project)
        server.__enter__()
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.url)
        expect(page.locator("#connection")).to_have_text("live", timeout=WAIT_MILLISECONDS)
        server.__exit__(None, None, None)
        expect(page.locator("#connection")).to_have_attribute("data-state", "lost", timeout=WAIT_MILLISECONDS)
        context.close()
