"""The record of each request, and the totals over all requests."""

import time
from bisect import bisect_left
from itertools import accumulate

OTHER = "other"
UNKNOWN = 0
"""The status of a request that has not ended."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class RequestRecord:
    """The facts about one request, for metering, metrics and response headers.

    `id` is unique; `request_id` is the client's name for the request, or else `id`. `route` is the
    template of a known route and `model` a name from the catalog, or `other`: nothing a client
    sends creates a new series. `user_id` is empty until the caller is known; `is_booked` once the
    request has a usage row. Times are seconds of `time.perf_counter`.
    """

    __slots__ = (
        "begun",
        "first_byte",
        "id",
        "is_booked",
        "model",
        "request_id",
        "route",
        "status",
        "user_id",
    )

    def __init__(
        self, own_id: str, request_id: str, route: str = OTHER, status: int = UNKNOWN
    ) -> None:
        self.id = own_id
        self.request_id = request_id
        self.route = route
        self.status = status
        self.model = OTHER
        self.user_id = ""
        self.is_booked = False
        self.begun = time.perf_counter()
        self.first_byte: float | None = None

    def answers(self) -> None:
        """Record the arrival of the answer's first byte."""
        self.first_byte = time.perf_counter()

    @property
    def first_byte_ms(self) -> float | None:
        return None if self.first_byte is None else (self.first_byte - self.begun) * 1000

    @property
    def total_ms(self) -> float:
        return (time.perf_counter() - self.begun) * 1000


class Histogram:
    """Counts of values by the bounds in `SECONDS`; the last count is for larger values."""

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def cumulated(self) -> list[tuple[str, float]]:
        """Prometheus' cumulative buckets: each counts the values up to its bound."""
        bounds = [*map(str, SECONDS), "+Inf"]
        return list(zip(bounds, accumulate(self.counts), strict=True))


class Series:
    """The counters for one route, status and model."""

    def __init__(self, seconds: Histogram, first_byte: Histogram) -> None:
        self.seconds = seconds
        self.first_byte = first_byte
        self.requests = 0


class RequestStats:
    """Totals as plain numbers: `active` requests, and ended ones by route, status and model."""

    def __init__(self) -> None:
        self.active = 0
        self.series: dict[tuple[str, int, str], Series] = {}
        self.seconds: dict[str, Histogram] = {}
        self.first_byte: dict[str, Histogram] = {}

    def record(self, record: RequestRecord) -> None:
        """Count a request that has ended."""
        key = record.route, record.status, record.model
        series = self.series.get(key) or self._new_series(key)
        series.requests += 1
        series.seconds.observe(time.perf_counter() - record.begun)
        if record.first_byte is not None:
            series.first_byte.observe(record.first_byte - record.begun)

    def _new_series(self, key: tuple[str, int, str]) -> Series:
        route, _, model = key
        seconds = self.seconds.setdefault(route, Histogram())
        first_byte = self.first_byte.setdefault(model, Histogram())
        series = self.series[key] = Series(seconds, first_byte)
        return series
