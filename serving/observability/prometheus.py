"""The gateway's metrics about its requests, for Prometheus."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from modelyard.serving.observability.callback_stats import CallbackStats, callback_series
from modelyard.serving.observability.estimate_stats import EstimateStats, estimate_series
from modelyard.serving.observability.job_stats import JobStats, job_series
from modelyard.serving.observability.notice_stats import NoticeStats, notice_series
from modelyard.serving.observability.promotion_stats import PromotionStats
from modelyard.serving.observability.request_record import Histogram, RequestStats

_PREFIX = "modelyard_"


class Metrics(Collector):
    """The gateway's series, in their own registry.

    `counted` are plain numbers, at a tenth of the cost of the library's; they become series only
    at a scrape.
    """

    def __init__(self) -> None:
        self.counted = RequestStats()
        self.promotions = PromotionStats()
        self.notices = NoticeStats()
        self.jobs = JobStats()
        self.callbacks = CallbackStats()
        self.estimates = EstimateStats()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(self)

    def text(self) -> bytes:
        """All series in Prometheus' text format."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """Every series at the moment of the scrape."""
        counted = self.counted
        labels = ("route", "status", "model")
        requests = CounterMetricFamily(f"{_PREFIX}requests", "Requests answered.", labels=labels)
        for (route, status, model), series in [*counted.series.items()]:
            requests.add_metric([route, str(status), model], series.requests)
        yield requests
        about = "From a request's arrival to the last byte of its answer."
        yield _histogram("request_seconds", about, "route", counted.seconds)
        about = "From a request's arrival to the first byte of an engine's answer."
        yield _histogram("first_byte_seconds", about, "model", counted.first_byte)
        about = "Requests being answered."
        yield GaugeMetricFamily(f"{_PREFIX}requests_in_flight", about, counted.active)
        yield from self._promotions()
        yield from notice_series(self.notices)
        yield from job_series(self.jobs)
        yield from callback_series(self.callbacks)
        yield from estimate_series(self.estimates)

    def _promotions(self) -> Iterator[Metric]:
        about = "Promotions that this gateway was asked for, by what they came to."
        family = CounterMetricFamily(f"{_PREFIX}promotions", about, labels=["outcome"])
        for outcome, count in [*self.promotions.outcomes.items()]:
            family.add_metric([outcome], count)
        yield family
        about = "From a promotion's begin until its alias moved, or it failed."
        yield _histogram("promotion_seconds", about, "outcome", self.promotions.seconds)


def _histogram(name: str, about: str, label: str, spreads: Mapping[str, Histogram]) -> Metric:
    family = HistogramMetricFamily(_PREFIX + name, about, labels=[label])
    for value, spread in [*spreads.items()]:
        family.add_metric([value], spread.cumulated(), spread.total)
    return family
