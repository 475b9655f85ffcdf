"""From rounds of figures to rows with a bar and a verdict."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.engine.cases import EngineCase
from benchmarks.engine.measure import EngineFigures

Rounds = Mapping[str, Sequence[EngineFigures]]
"""What each server measured, a round at a time."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; where there is a peer, `value` is the median of the rounds' ratios."""

    case: str
    figure: str
    ours: float
    peer: float | None
    value: float
    bar: float | None
    at_least: bool

    @property
    def verdict(self) -> str:
        if self.bar is None:
            return ""
        return "holds" if (self.value >= self.bar) == self.at_least else "MISSED"

    def __str__(self) -> str:
        peer = "" if self.peer is None else f"{self.peer:.1f}"
        bar = "" if self.bar is None else f"{'>=' if self.at_least else '<='} {self.bar:g}"
        return (f"{self.case:34} {self.figure:24} {self.ours:9.2f} {peer:>9} {self.value:7.3f}"
                f" {bar:>8} {self.verdict}")  # fmt: skip


HEAD = f"{'case':34} {'figure':24} {'ours':>9} {'peer':>9} {'value':>7} {'bar':>8} verdict"

_SHARED_BARS = {8: (1.5, 0.35), 16: (1.9, 0.25)}


def rows(case: EngineCase, found: Rounds) -> list[Row]:
    """Our figures against llama-server's for one case, each with the bar that it has to hold."""
    name = case.title
    if case.prefix:
        rate, first = _SHARED_BARS[case.concurrency]
        return [_row(name, "tokens_per_s", found, rate), _row(name, "first_p95_ms", found, first)]
    speed = _row(name, "tokens_per_s", found, 1.0)
    if case.chat:
        return [speed]
    return [speed, *(_row(name, key, found, 1.05) for key in ("first_p95_ms", "between_p95_ms"))]


def stated(name: str, ours: Sequence[EngineFigures], theirs: Sequence[EngineFigures]) -> Row:
    """Our throughput against another's, without a bar."""
    return _row(name, "tokens_per_s", {"ours": ours, "peer": theirs}, None)


def alone(case: str, figure: str, values: Sequence[float], bar: float) -> Row:
    """A figure of ours that has no peer; at most the bar."""
    found = statistics.median(values)
    return Row(case, figure, found, None, found, bar, at_least=False)


_LABELS = {
    "tokens_per_s": "tokens/s",
    "first_p95_ms": "first token, p95 ms",
    "between_p95_ms": "between tokens, p95 ms",
}


def _row(name: str, key: str, found: Rounds, bar: float | None) -> Row:
    (_, ours), (_, theirs) = ((who, [getattr(m, key) for m in ms]) for who, ms in found.items())
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return Row(name, _LABELS[key], statistics.median(ours), statistics.median(theirs), ratio, bar,
               at_least=key == "tokens_per_s")  # fmt: skip
