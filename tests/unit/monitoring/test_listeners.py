from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from wayra_db.errors import UnsupportedDeploymentError
from wayra_db.monitoring import Monitor, monitor


def test_a_fault_of_ours_is_no_fault_of_the_application(caplog: pytest.LogCaptureFixture) -> None:
    """No listener raises, whatever it is told; what was lost is counted each time, and logged once."""
    watch = Monitor()
    methods = [
        getattr(listener, name)
        for listener in watch.listeners
        for name in dir(listener)
        if not name.startswith("_") and callable(getattr(listener, name))
    ]
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            for method in methods:
                method(object())
    # pool_ready, connection_ready and the start of a heartbeat count nothing.
    assert watch.snapshot().untold == 2 * (len(methods) - 3)
    assert len(caplog.records) == len(watch.listeners)


@pytest.mark.parametrize("client", [object(), SimpleNamespace(options=SimpleNamespace(pool_options=object()))])
def test_a_driver_that_is_built_otherwise(client: Any) -> None:
    """It is refused, with the way that works with each driver."""
    with pytest.raises(UnsupportedDeploymentError) as caught:
        monitor(client)
    assert "event_listeners" in caught.value.hint
