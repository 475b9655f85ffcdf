"""What the gateway measures about its requests, for Prometheus."""

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

import msgspec
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

OTHER = "other"
UNKNOWN = 0
"""The status of a request that has not ended."""

_PREFIX = "modelyard_"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Trail(msgspec.Struct, eq=False):
    """What becomes known of one request on its way, for its records and its headers.

    `route` is the template of a known route and `model` a name from the catalog, or `other`:
    what clients send never makes a new series. Times are of the performance counter.
    """

    request_id: str
    route: str = OTHER
    model: str = OTHER
    status: int = UNKNOWN
    begun: float = msgspec.field(default_factory=time.perf_counter)
    first_byte: float | None = None

    def answers(self) -> None:
        """The first byte of the answer is here."""
        self.first_byte = time.perf_counter()

    @property
    def first_byte_ms(self) -> float | None:
        return None if self.first_byte is None else (self.first_byte - self.begun) * 1000

    @property
    def total_ms(self) -> float:
        return (time.perf_counter() - self.begun) * 1000


@dataclass(slots=True)
class Spread:
    """How values spread over `_SECONDS`; a last count is for those beyond."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(_SECONDS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(_SECONDS, seconds)] += 1
        self.total += seconds

    def cumulated(self) -> list[tuple[str, float]]:
        """Prometheus' buckets: each counts those below its bound."""
        bounds = [*map(str, map(float, _SECONDS)), "+Inf"]
        return list(zip(bounds, accumulate(self.counts), strict=True))


@dataclass(slots=True)
class _Series:
    """Where requests of one kind are counted."""

    seconds: Spread
    first_byte: Spread
    requests: int = 0


class Metrics(Collector):
    """The gateway's series, in a registry of their own.

    Counted in plain numbers, which cost a tenth of the library's; it writes them at a scrape.
    """

    def __init__(self) -> None:
        self.active = 0
        self._series: dict[tuple[str, int, str], _Series] = {}
        self._seconds: dict[str, Spread] = {}
        self._first_byte: dict[str, Spread] = {}
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(self)

    def record(self, trail: Trail) -> None:
        """Count one request that has ended."""
        key = trail.route, trail.status, trail.model
        series = self._series.get(key) or self._new_series(key)
        series.requests += 1
        series.seconds.observe(time.perf_counter() - trail.begun)
        if trail.first_byte is not None:
            series.first_byte.observe(trail.first_byte - trail.begun)

    def _new_series(self, key: tuple[str, int, str]) -> _Series:
        route, _, model = key
        seconds = self._seconds.setdefault(route, Spread())
        first_byte = self._first_byte.setdefault(model, Spread())
        series = self._series[key] = _Series(seconds, first_byte)
        return series

    def text(self) -> bytes:
        """All series in Prometheus' text form."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """Every series as it is at the moment of a scrape."""
        labels = ("route", "status", "model")
        requests = CounterMetricFamily(f"{_PREFIX}requests", "Requests answered.", labels=labels)
        for (route, status, model), series in [*self._series.items()]:
            requests.add_metric([route, str(status), model], series.requests)
        yield requests
        about = "From a request's arrival to the last byte of its answer."
        yield _histogram("request_seconds", about, "route", self._seconds)
        about = "From a request's arrival to the first byte of an engine's answer."
        yield _histogram("first_byte_seconds", about, "model", self._first_byte)
        about = "Requests being answered."
        yield GaugeMetricFamily(f"{_PREFIX}requests_in_flight", about, self.active)


def _histogram(name: str, about: str, label: str, spreads: Mapping[str, Spread]) -> Metric:
    family = HistogramMetricFamily(_PREFIX + name, about, labels=[label])
    for value, spread in [*spreads.items()]:
        family.add_metric([value], spread.cumulated(), spread.total)
    return family
