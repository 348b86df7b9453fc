"""The servers that tests run against come from the package's own pytest plugin, `wayra_db.testing`.

A run of unit tests starts none: each fixture starts its server when a test first asks for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis
import pytest
from pymongo.database import Database

from tests.support import Sandbox
from wayra_db.testing import ServerUnderTest

# How busy a machine is decides no test.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")


@pytest.fixture
def sandbox(tmp_path: Path, wayra_server: ServerUnderTest, wayra_database: Database[dict[str, Any]]) -> Sandbox:
    """An empty project on an empty database of a replica set."""
    folder = tmp_path / "project"
    folder.mkdir()
    return Sandbox(folder, wayra_server.uri, wayra_database.name)
