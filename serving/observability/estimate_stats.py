"""How far estimates of queued requests were from what happened, as plain numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import HistogramMetricFamily, Metric

from modelyard.serving.observability.request_record import Histogram


@dataclass(slots=True)
class EstimateStats:
    """Relative errors: 0.2 is a fifth of the time from the submission until what was estimated."""

    start: Histogram = field(default_factory=Histogram)
    end: Histogram = field(default_factory=Histogram)


def estimate_series(stats: EstimateStats) -> Iterator[Metric]:
    """The series at the moment of the scrape."""
    about = "Relative error of a queued request's estimate: of its start, and of its end."
    family = HistogramMetricFamily("modelyard_jobs_estimate_error", about, labels=["of"])
    family.add_metric(["start"], stats.start.cumulated(), stats.start.total)
    family.add_metric(["end"], stats.end.cumulated(), stats.end.total)
    yield family
