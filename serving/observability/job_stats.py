"""This process' work on queued requests, as plain numbers."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from modelyard.serving.observability.request_record import Histogram

_PREFIX = "modelyard_jobs_"


@dataclass(slots=True)
class JobStats:
    """`waiting` is the whole queue at the last look, by priority; all else is of this process.

    `lost` are jobs that another process has taken over, since their lease had lapsed here.
    `given_back` are tries that ended without an end of the job. Seconds: `queue` from submission
    to the begin, `claim` of one look into the queue.
    """

    waiting: Mapping[int, int] = field(default_factory=dict[int, int])
    running: int = 0
    ended: Counter[str] = field(default_factory=Counter[str])
    claimed: int = 0
    given_back: Counter[str] = field(default_factory=Counter[str])
    lost: int = 0
    queue: Histogram = field(default_factory=Histogram)
    claim: Histogram = field(default_factory=Histogram)


def job_series(stats: JobStats) -> Iterator[Metric]:
    """The series about queued requests at the moment of the scrape."""
    about = "Queued requests of the whole installation that wait, as last seen by this process."
    waiting = GaugeMetricFamily(f"{_PREFIX}waiting", about, labels=["priority"])
    for priority in range(1, 6):
        waiting.add_metric([str(priority)], stats.waiting.get(priority, 0))
    yield waiting
    about = "Queued requests that this process has in hand."
    yield GaugeMetricFamily(f"{_PREFIX}running", about, stats.running)
    about = "Queued requests that ended here, by how they ended."
    ended = CounterMetricFamily(f"{_PREFIX}ended", about, labels=["status"])
    for status in ("completed", "failed"):
        ended.add_metric([status], stats.ended[status])
    yield ended
    about = "Tries of queued requests that were begun here."
    yield CounterMetricFamily(f"{_PREFIX}attempts", about, stats.claimed)
    about = "Tries that were given back: an engine failed (tried), or there was no place (later)."
    returned = CounterMetricFamily(f"{_PREFIX}given_back", about, labels=["reason"])
    for reason in ("tried", "later"):
        returned.add_metric([reason], stats.given_back[reason])
    yield returned
    about = "Queued requests that were cancelled, or taken over by another process."
    yield CounterMetricFamily(f"{_PREFIX}leases_lost", about, stats.lost)
    about = "From a queued request's submission until its try began here."
    yield _histogram("queue_seconds", about, stats.queue)
    yield _histogram("claim_seconds", "One look into the queue for work.", stats.claim)


def _histogram(name: str, about: str, spread: Histogram) -> Metric:
    family = HistogramMetricFamily(_PREFIX + name, about)
    family.add_metric([], spread.cumulated(), spread.total)
    return family
