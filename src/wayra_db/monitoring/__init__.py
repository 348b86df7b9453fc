"""Watch what an application asks of MongoDB, from inside its driver: latencies, slow operations, pools, failures.

    from wayra_db.monitoring import Monitor

    watch = Monitor()
    client = MongoClient(uri, event_listeners=watch.listeners)
    ...
    print(watch.snapshot().to_dict())

Needs no server rights and no profiler, and keeps no value of any document. `monitor(client)` attaches one to a client
that is there already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wayra_db._lazy import lazily

if TYPE_CHECKING:
    from wayra_db.monitoring.prometheus import MonitorCollector
    from wayra_db.monitoring.recorder import Limits
    from wayra_db.monitoring.snapshot import Snapshot
    from wayra_db.monitoring.watch import Monitor, monitor

__all__ = ["Limits", "Monitor", "MonitorCollector", "Snapshot", "monitor"]

__getattr__ = lazily(
    __name__,
    {
        "Limits": "wayra_db.monitoring.recorder",
        "Monitor": "wayra_db.monitoring.watch",
        "MonitorCollector": "wayra_db.monitoring.prometheus",
        "Snapshot": "wayra_db.monitoring.snapshot",
        "monitor": "wayra_db.monitoring.watch",
    },
)
