"""What the page knows, for Prometheus, through `prometheus_client` (extra `dashboard`). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from wayra_db.dashboard.feed import Reading

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def render(readings: Mapping[str, Reading], now: datetime | None = None) -> bytes:
    """The text that Prometheus reads. A part that could not be read is missing, and `wayra_db_part_up` says so."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(list(families(readings, now or datetime.now(UTC)))))
    return generate_latest(registry)


class _Once(Collector):
    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> list[Metric]:
        return self._found


def families(readings: Mapping[str, Reading], now: datetime) -> Iterator[Metric]:
    """The metrics; the reference page lists them."""
    up = GaugeMetricFamily("wayra_db_part_up", "Whether a part could be read.", labels=["part"])
    for name, reading in readings.items():
        up.add_metric([name], reading.error is None)
    yield up
    data = {name: reading.data for name, reading in readings.items() if reading.data is not None}
    if "status" in data:
        yield from _of_status(data["status"])
    if "migrations" in data:
        yield _counted("wayra_db_migrations", "Migrations by state.", "state", data["migrations"]["migrations"])
    if "backups" in data:
        yield from _of_backups(data["backups"]["backups"], now)
    if "work" in data:
        yield from _of_work(data["work"])
    if "live" in data:
        yield from _of_server(data["live"])


def _of_status(status: Mapping[str, Any]) -> Iterator[Metric]:
    yield GaugeMetricFamily("wayra_db_healthy", "Whether nothing wants a person or a command.", value=status["healthy"])
    yield _counted("wayra_db_findings", "Reasons of the verdict by kind.", "kind", status["findings"])
    latency = status.get("latencyMilliseconds")
    if latency is not None:
        yield GaugeMetricFamily("wayra_db_latency_seconds", "One read, there and back.", value=latency / 1000)
    for part in ("schema", "indexes"):
        if found := status.get(part):
            text = f"Differences between declared and live {'collections' if part == 'schema' else part}."
            yield GaugeMetricFamily(f"wayra_db_{part}_drift", text, value=len(found.get("drift", ())))
    sizes = {
        "documents": ("documents", "Documents."),
        "data_bytes": ("dataSize", "Size of the documents, uncompressed."),
        "storage_bytes": ("storageSize", "Size of the documents on disk."),
        "index_bytes": ("indexSize", "Size of the indexes on disk."),
    }
    for name, (key, text) in sizes.items():
        family = GaugeMetricFamily(f"wayra_db_collection_{name}", text, labels=["collection"])
        for one in status.get("collections") or ():
            family.add_metric([one["name"]], one[key])
        yield family


def _of_backups(backups: list[dict[str, Any]], now: datetime) -> Iterator[Metric]:
    yield GaugeMetricFamily("wayra_db_backups", "Backups in the folder.", value=len(backups))
    damaged = sum(bool(one["damaged"]) for one in backups)
    yield GaugeMetricFamily("wayra_db_backups_damaged", "Backups that cannot be relied on.", value=damaged)
    sound = [one for one in backups if not one["damaged"]]
    verified = [one for one in sound if one.get("wellVerified")]
    for name, text, among in (
        ("newest", "The newest backup that is not known to be damaged.", sound),
        ("newest_verified", "The newest backup that was verified.", verified),
    ):
        if among:
            age = (now - max(datetime.fromisoformat(one["modifiedAt"]) for one in among)).total_seconds()
            yield GaugeMetricFamily(f"wayra_db_backup_{name}_age_seconds", f"Age of: {text}", value=age)


def _of_work(work: Mapping[str, Any]) -> Iterator[Metric]:
    lock = work.get("lock") or {}
    yield GaugeMetricFamily(
        "wayra_db_lock_held", "Whether somebody changes the database.", value=bool(lock.get("held"))
    )
    for name, text in (("builds", "Index builds that run."), ("batches", "Batched migrations that have not ended.")):
        if work.get(name) is not None:
            yield GaugeMetricFamily(f"wayra_db_{name}", text, value=len(work[name]))


def _of_server(live: Mapping[str, Any]) -> Iterator[Metric]:
    connections = GaugeMetricFamily("wayra_db_server_connections", "Connections to the server.", labels=["state"])
    for state in ("current", "active", "limit"):
        connections.add_metric([state], live["connections"][state])
    yield connections
    operations = CounterMetricFamily(
        "wayra_db_server_operations", "Operations since the server's start.", labels=["kind"]
    )
    for kind, count in (live.get("operations") or {}).items():
        operations.add_metric([kind], count)
    yield operations
    if cache := live.get("cache"):
        family = GaugeMetricFamily("wayra_db_server_cache_share", "Share of the cache.", labels=["state"])
        for state, share in cache.items():
            family.add_metric([state], share)
        yield family


def _counted(name: str, text: str, key: str, rows: list[dict[str, Any]]) -> Metric:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row[key]] = counts.get(row[key], 0) + 1
    family = GaugeMetricFamily(name, text, labels=[key])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family
