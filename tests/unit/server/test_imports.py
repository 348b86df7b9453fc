from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("wayra_db.server", ["pymongo", "bson"]),
        ("wayra_db.server.watcher", ["pymongo", "bson"]),
        ("wayra_db.testing", ["pymongo", "bson", "pytest"]),
    ],
)
def test_importing_is_cheap(module: str, absent: list[str]) -> None:
    """What runs at every start, or stays in memory beside the server, loads neither driver nor pytest."""
    check = f"import sys, {module}; sys.exit(str([name for name in {absent} if name in sys.modules] or ''))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
