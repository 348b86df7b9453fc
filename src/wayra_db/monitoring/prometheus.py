"""A monitor's counts for Prometheus, through `prometheus_client` (extra `prometheus`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from wayra_db.monitoring.histogram import Latency
from wayra_db.monitoring.snapshot import Snapshot

if TYPE_CHECKING:
    from wayra_db.monitoring.watch import Monitor


class MonitorCollector(Collector):
    """`REGISTRY.register(MonitorCollector(monitor))`: the counts are read at each scrape, and not before."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry then asks for no counts when it is made."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics; called by the registry."""
        return families(self._monitor.snapshot())


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """A snapshot as metrics; the reference page lists them."""
    yield from _of_commands(snapshot)
    yield from _of_pools(snapshot)
    yield from _of_servers(snapshot)
    yield CounterMetricFamily(
        "mongodb_client_monitor_faults", "Events that a fault of the monitor itself lost.", value=snapshot.untold
    )


def _of_commands(snapshot: Snapshot) -> Iterator[Metric]:
    labels = ["database", "collection", "command"]
    durations = HistogramMetricFamily(
        "mongodb_client_command_duration_seconds",
        "Commands by how long they took, failed ones included.",
        labels=labels,
    )
    failed = CounterMetricFamily("mongodb_client_commands_failed", "Commands that failed.", labels=labels)
    for one in snapshot.commands:
        values = [one.database, one.collection, one.command]
        _add(durations, values, one.latency)
        failed.add_metric(values, one.failed)
    errors = CounterMetricFamily("mongodb_client_errors", "Errors by kind.", labels=["command", "kind"])
    for error in snapshot.errors:
        errors.add_metric([error.command, error.kind], error.count)
    retries = CounterMetricFamily(
        "mongodb_client_retries", "Commands that the driver sent again after a failure.", labels=["command"]
    )
    for command, count in snapshot.retries:
        retries.add_metric([command], count)
    yield from (durations, failed, errors, retries)
    yield GaugeMetricFamily(
        "mongodb_client_commands_in_flight", "Commands that are not answered yet.", value=snapshot.in_flight
    )


def _of_pools(snapshot: Snapshot) -> Iterator[Metric]:
    gauges = {
        "size": "Open connections.",
        "in_use": "Connections that an operation has.",
        "waiting": "Operations that ask for a connection.",
        "maximum": "The most connections that may be open; none where there is no such number.",
    }
    counters = {
        "created": "Connections that were opened.",
        "closed": "Connections that were closed.",
        "cleared": "Times that a server's failure emptied the pool.",
        "failed": "Operations that got no connection.",
    }
    for name, text in gauges.items():
        gauge = GaugeMetricFamily(f"mongodb_client_pool_{name}", text, labels=["server"])
        for pool in snapshot.pools:
            if (value := getattr(pool, name)) is not None:
                gauge.add_metric([pool.server], value)
        yield gauge
    for name, text in counters.items():
        counter = CounterMetricFamily(f"mongodb_client_pool_{name}", text, labels=["server"])
        for pool in snapshot.pools:
            counter.add_metric([pool.server], getattr(pool, name))
        yield counter
    waits = HistogramMetricFamily(
        "mongodb_client_pool_wait_seconds", "How long operations waited for a connection.", labels=["server"]
    )
    for pool in snapshot.pools:
        _add(waits, [pool.server], pool.wait)
    yield waits


def _of_servers(snapshot: Snapshot) -> Iterator[Metric]:
    up = GaugeMetricFamily("mongodb_client_server_up", "Whether the last heartbeat was answered.", labels=["server"])
    failed = CounterMetricFamily("mongodb_client_heartbeats_failed", "Heartbeats without answer.", labels=["server"])
    trips = HistogramMetricFamily(
        "mongodb_client_heartbeat_seconds",
        "Round trips of the heartbeats that do not wait for news.",
        labels=["server"],
    )
    for one in snapshot.servers:
        up.add_metric([one.server], one.up)
        failed.add_metric([one.server], one.failed)
        _add(trips, [one.server], one.round_trip)
    yield from (up, failed, trips)


def _add(family: HistogramMetricFamily, labels: list[str], latency: Latency) -> None:
    buckets = [(f"{bound:g}", float(count)) for bound, count in latency.cumulative()]
    family.add_metric(labels, [*buckets, ("+Inf", float(latency.count))], latency.total_micros / 1e6)
