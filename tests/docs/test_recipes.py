"""The code of the how-to pages that makes promises, run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.testing import ServerUnderTest

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"

# Imports everything once, then starts the replicas as copies of itself, all at the same moment.
REPLICAS = """
import asyncio, os, sys, time
import pymongo, bson
import wayra_db.initializer
from app import app

async def start():
    async with app.router.lifespan_context(app):
        pass

children = []
begin = time.monotonic() + 0.5
for number in range({replicas}):
    child = os.fork()
    if not child:
        time.sleep(max(0, begin - time.monotonic()))
        try:
            asyncio.run(start())
        except BaseException as error:
            print(type(error).__name__, error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print(ended)
"""


def recipe(page: str, word: str) -> str:
    """The Python block of a page that contains `word`."""
    text = (HOW_TO / page).read_text(encoding="utf-8")
    blocks: list[str]
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return next(block for block in blocks if word in block)


def test_twenty_replicas_start_at_once(
    tmp_path: Path, wayra_server: ServerUnderTest, wayra_database: Database[dict[str, Any]]
) -> None:
    """The FastAPI recipe: each replica starts, and each migration has run once."""
    folder = tmp_path / "wayra"
    folder.mkdir()
    sandbox = Sandbox(folder, wayra_server.uri, wayra_database.name)
    sandbox.complete()
    (tmp_path / "app.py").write_text(recipe("use-from-python.md", "FastAPI(lifespan"), encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", REPLICAS.format(replicas=20)],
        cwd=tmp_path,
        env={**sandbox.environ(), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.stdout.strip() == str([0] * 20), ended.stderr
    assert wayra_database.users.count_documents({}) == 2
    events = wayra_database["_wayra_log"].distinct("version", {"event": "migration applied"})
    assert events == [1, 2]
    assert wayra_database["_wayra_log"].count_documents({"event": "migration applied"}) == 2
