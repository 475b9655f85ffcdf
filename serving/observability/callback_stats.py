"""This process' work on callbacks, as plain numbers."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from modelyard.serving.observability.request_record import Histogram

_PREFIX = "modelyard_callbacks_"
ENDS = ("delivered", "failed")
RESULTS = ("taken", "refused", "unanswered")


@dataclass(slots=True)
class CallbackStats:
    """`waiting`, `due` and `addresses_off` are the installation's at the last look.

    `ended` and `tries` are of this process: callbacks by their state, tries by what came of them.
    """

    waiting: int = 0
    due: int = 0
    addresses_off: int = 0
    ended: Counter[str] = field(default_factory=Counter[str])
    tries: Counter[str] = field(default_factory=Counter[str])
    seconds: Histogram = field(default_factory=Histogram)

    def tried(self, seconds: float, status: int | None, *, is_success: bool) -> None:
        """A try is over; without a status nothing was answered."""
        self.seconds.observe(seconds)
        if is_success:
            self.tries["taken"] += 1
        else:
            self.tries["unanswered" if status is None else "refused"] += 1


def callback_series(stats: CallbackStats) -> Iterator[Metric]:
    """The series about callbacks at the moment of the scrape."""
    about = "Callbacks of the whole installation that wait for a try, as last seen."
    yield GaugeMetricFamily(f"{_PREFIX}waiting", about, stats.waiting)
    about = "Of these, those whose try is due and that nobody sends yet."
    yield GaugeMetricFamily(f"{_PREFIX}due", about, stats.due)
    about = "Addresses of the whole installation that are switched off, as last seen."
    yield GaugeMetricFamily(f"{_PREFIX}addresses_off", about, stats.addresses_off)
    about = "Callbacks whose last try was made here, by how they ended."
    ended = CounterMetricFamily(f"{_PREFIX}ended", about, labels=["state"])
    for state in ENDS:
        ended.add_metric([state], stats.ended[state])
    yield ended
    about = "Tries that were made here: taken, answered otherwise (refused), or unanswered."
    tries = CounterMetricFamily(f"{_PREFIX}tries", about, labels=["result"])
    for result in RESULTS:
        tries.add_metric([result], stats.tries[result])
    yield tries
    seconds = HistogramMetricFamily(f"{_PREFIX}try_seconds", "What one try took.")
    seconds.add_metric([], stats.seconds.cumulated(), stats.seconds.total)
    yield seconds
