"""What a server has counted, and what it can be asked now, as Prometheus wants it told."""

import platform
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from metermt.calls.desk import Desk
from metermt.counting import OK, Histogram, lost_lines
from metermt.diskspace import space_at
from metermt.errors import AccountDisabled, LoginError, TooManyFailures
from metermt.quality import Flag
from metermt.version import VERSION

# What came of logins, by the outcome of the call: each is told from the start, so that its first time is seen.
_LOGINS = {
    OK: "in",
    LoginError.code: "wrong",
    TooManyFailures.code: "locked-out",
    AccountDisabled.code: "disabled",
}


def registry_of(desk: Desk) -> CollectorRegistry:
    """Return what tells of the server of a desk, and of its process."""
    registry = CollectorRegistry()
    registry.register(ServerMetrics(desk))
    ProcessCollector(registry=registry)
    return registry


class ServerMetrics(Collector):
    """Looks at a server whenever it is asked. It waits for the store for a second at most."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        """Return all that is told."""
        yield from self._counted()
        yield from self._now()
        yield from self._log()
        yield from self._store()

    def _counted(self) -> Iterator[Metric]:
        counts = self._desk.counting.counts()
        yield _counter("metermt_calls", "Calls, by what came of them.", ("call", "outcome"), counts.calls)
        yield _histogram(
            "metermt_call_seconds",
            "From when a call was understood until its answer was there to be sent.",
            {(call,): seconds for call, seconds in counts.seconds.items()},
            "call",
        )
        logins = dict.fromkeys(_LOGINS.values(), 0) | {"failed": 0}
        for (call, outcome), times in counts.calls.items():
            if call == "login":
                logins[_LOGINS.get(outcome, "failed")] += times
        yield _counter("metermt_logins", "Logins, by what came of them.", ("outcome",), _by_one(logins))
        words = "Answers of readers: accepted, refused, or asked about."
        yield _counter("metermt_readings", words, ("outcome",), _by_one(counts.readings))
        flags = dict.fromkeys(map(str, Flag), 0) | {str(flag): times for flag, times in counts.flags.items()}
        yield _counter("metermt_readings_flagged", "Accepted readings, by what is odd.", ("flag",), _by_one(flags))
        yield _histogram("metermt_turn_requests", "Requests that a transaction has answered.", {(): counts.turns})

    def _now(self) -> Iterator[Metric]:
        counting = self._desk.counting
        states = _by_one(counting.connections())
        yield _gauge("metermt_connections", "Connections, by state.", ("state",), states)
        waiting = {(name,): length() for name, length in list(counting.waiting.items())}
        yield _gauge("metermt_waiting", "How many wait, by the queue.", ("queue",), waiting)

    def _log(self) -> Iterator[Metric]:
        held_back = _by_one(dict(self._desk.journal.held_back))
        words = "Lines of the log that were counted instead, by kind."
        yield _counter("metermt_log_lines_held_back", words, ("kind",), held_back)
        yield _counter("metermt_log_lines_lost", "Lines of the log that could not be written.", (), {(): lost_lines()})

    def _store(self) -> Iterator[Metric]:
        store = self._desk.store
        figures = store.figures()
        build = {(VERSION, platform.python_version(), figures.engine): 1}
        yield _gauge("metermt_build_info", "What runs.", ("version", "python", "store"), build)
        yield _histogram("metermt_commit_seconds", "How long the database took to commit.", {(): figures.commits})
        yield _gauge("metermt_waiting_transactions", "Transactions that wait for others.", (), {(): figures.waiting})
        is_up = store.trouble() is None
        yield _gauge("metermt_database_up", "Whether nothing is known to keep it from working.", (), {(): is_up})
        if figures.size is not None:
            yield _gauge("metermt_database_bytes", "Its size on the disk.", (), {(): figures.size})
        if file := store.file():
            try:
                space = space_at(file)
            except OSError:  # its disk is gone, of which the store tells
                return
            yield _gauge("metermt_disk_free_bytes", "Room on the disk of the database.", (), {(): space.free})
            words = "With less room than that the disk is nearly full."
            yield _gauge("metermt_disk_least_bytes", words, (), {(): space.least})


_Values = Mapping[Any, float]  # by the values of the labels


def _by_one(values: Mapping[str, int]) -> _Values:
    return {(name,): value for name, value in values.items()}


def _counter(name: str, words: str, labels: tuple[str, ...], values: _Values) -> Metric:
    family = CounterMetricFamily(name, words, labels=labels)
    for which, value in values.items():
        family.add_metric(which, value)
    return family


def _gauge(name: str, words: str, labels: tuple[str, ...], values: _Values) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for which, value in values.items():
        family.add_metric(which, value)
    return family


def _histogram(name: str, words: str, histograms: Mapping[Any, Histogram], *labels: str) -> Metric:
    family = HistogramMetricFamily(name, words, labels=labels)
    for which, one in histograms.items():
        bounds = [*map(str, one.bounds), "+Inf"]
        family.add_metric(which, list(zip(bounds, accumulate(one.counts), strict=True)), one.total)
    return family
