"""A nursery for all tests of a file, so that a kill costs milliseconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.nursery import Nursery
from tests.faults.nursery import nursery as make_nursery


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Where command lines start in milliseconds."""
    with make_nursery(tmp_path_factory.mktemp("nursery")) as made:
        yield made
