"""An engine's metrics as plain numbers, rendered as Prometheus text on request."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from time import perf_counter

from modelyard.serving.engines.paces import StepSpeeds

_WAITS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_GAPS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5)
_TOKENS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
_MEMBERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


@dataclass(slots=True)
class Distribution:
    """A histogram that takes a fraction of a microsecond per observation; single writer thread."""

    bounds: tuple[float, ...]
    total: float = 0.0
    counts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulated(self) -> Iterator[tuple[str, int]]:
        """Each bucket's upper bound and cumulative count."""
        so_far = 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            so_far += count
            yield bound, so_far


def _waits() -> Distribution:
    return Distribution(_WAITS)


def _gaps() -> Distribution:
    return Distribution(_GAPS)


def _tokens() -> Distribution:
    return Distribution(_TOKENS)


def _members() -> Distribution:
    return Distribution(_MEMBERS)


@dataclass(slots=True)
class Times:
    """One request's timestamps in seconds on this process's clock; 0 means not yet."""

    asked: float = field(default_factory=perf_counter)
    begun: float = 0.0
    first: float = 0.0
    last: float = 0.0


@dataclass(slots=True)
class Measures:
    """Metrics since the version was loaded; distributions are named like their series.

    `ended` counts answers by finish reason, `errors` errors sent to clients by their stable code.
    """

    queue_seconds: Distribution = field(default_factory=_waits)
    first_token_seconds: Distribution = field(default_factory=_waits)
    inter_token_seconds: Distribution = field(default_factory=_gaps)
    step_seconds: Distribution = field(default_factory=_gaps)
    step_tokens: Distribution = field(default_factory=_tokens)
    step_sequences: Distribution = field(default_factory=_members)
    request_seconds: Distribution = field(default_factory=_waits)
    paces: StepSpeeds = field(default_factory=StepSpeeds)
    prefix_hits: int = 0
    ended: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])

    def began(self, times: Times) -> None:
        """Record that a request got a slot."""
        times.begun = perf_counter()
        self.queue_seconds.add(times.begun - times.asked)

    def step(self, tokens: int, members: int, seconds: float) -> None:
        self.step_tokens.add(tokens)
        self.step_sequences.add(members)
        self.step_seconds.add(seconds)
        self.paces.add(tokens, seconds)

    def token(self, times: Times, now: float) -> None:
        """Record a request's next token."""
        if times.first:
            self.inter_token_seconds.add(now - times.last)
        else:
            times.first = now
            self.first_token_seconds.add(now - times.asked)
        times.last = now

    def distributions(self) -> Iterator[tuple[str, Distribution]]:
        """The distributions with observations; embedding models, for one, have no token times."""
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Distribution) and any(value.counts):
                yield each.name, value
