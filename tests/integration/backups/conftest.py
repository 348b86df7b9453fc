"""A gate and a manager on an empty database, and an S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.restoring import Restoring
from tests.s3_server import s3_bucket, s3_endpoint

__all__ = ["s3_bucket", "s3_endpoint"]


@pytest.fixture
def restoring(wayra_database: Database[dict[str, Any]], tmp_path: Path) -> Restoring:
    """A manager on an empty database of a replica set."""
    return Restoring(wayra_database, tmp_path / "backups")
