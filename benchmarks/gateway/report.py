"""What was found as a table, and whether it reaches the bars."""

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.gateway.client import Found

OURS = "ours"
REDIS = "ours + Redis"
BARE = "ours without policy"
FLOOR = "FastAPI + aiohttp"
PEER = "LiteLLM"
PEER_REDIS = "LiteLLM + Redis"
BEFORE = "before"
BEFORE_REDIS = "before + Redis"
ENGINE_MS = 500.0

Rounds = Mapping[str, list[Found]]


@dataclass(frozen=True, slots=True)
class Bar:
    """One thing to reach: at least, or at most."""

    what: str
    found: float
    bar: float
    at_most: bool = False

    @property
    def reached(self) -> bool:
        return self.found <= self.bar if self.at_most else self.found >= self.bar

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        verdict = "reached" if self.reached else "MISSED"
        return f"{self.what:58}{self.found:>9.2f}   {sign} {self.bar:<7g}{verdict}"


@dataclass(frozen=True, slots=True)
class GatewayReport:
    """All rounds: whole answers, streams as fast as they go, slow streams, users at once."""

    whole: Rounds
    events: Rounds
    slow: Rounds
    at_once: Rounds

    def print(self, peer: str) -> None:
        print(f"\n{peer}, {datetime.now(UTC):%Y-%m-%d}; medians; 32 at a time, whole answers")
        print(f"{'':22}{'req/s':>9}{'CPU us':>9}{'p50 ms':>9}{'p99 ms':>9}{'RSS MiB':>9}  failed")
        for name in self.whole:
            for row in [self._row(name)]:
                print(row)
        print(f"\n{'':22}{'chunks/s':>9}{'CPU us':>9} a chunk, 32 streams as fast as they go")
        for name, rounds in self.events.items():
            per_second = _median(rounds, lambda f: f.chunks / max(f.requests, 1) * f.per_second)
            print(f"{name:22}{per_second:>9.0f}{_median(rounds, _chunk):>9.1f}")
        print("\nslow streams: 20 tokens/s for 5 s; users at once: an engine that takes 500 ms")
        print(f"{'':22}{'complete':>9}{'gap p99':>9}{'1st p99':>9}{'CPU us':>9}{'+ ms p99':>12}")
        for name, rounds in self.slow.items():
            print(
                f"{name:22}{_median(rounds, lambda f: f.requests):>9.0f}"
                f"{_median(rounds, _gap):>9.1f}{_median(rounds, _first):>9.1f}"
                f"{_median(rounds, _chunk):>9.1f}{self._beyond(name):>12.1f}"
            )
        print()
        for bar in self.bars():
            print(bar)

    def _row(self, name: str) -> str:
        rounds = self.whole[name]
        values = [_rate, _cpu, lambda f: f.p50, lambda f: f.p99, lambda f: f.rss_mib]
        rate, cpu, p50, p99, rss = (_median(rounds, value) for value in values)
        failed = sum(f.failed for f in rounds)
        return f"{name:22}{rate:>9.0f}{cpu:>9.1f}{p50:>9.2f}{p99:>9.2f}{rss:>9.0f}{failed:>8}"

    def _beyond(self, name: str) -> float:
        return _median(self.at_once[name], lambda f: f.p99) - ENGINE_MS

    @property
    def reached(self) -> bool:
        return all(bar.reached for bar in self.bars())

    def bars(self) -> Iterator[Bar]:
        """Ratios are medians of the rounds' own ratios: what disturbs a round disturbs both."""
        whole = self.whole
        events = self.events
        if PEER in whole:
            yield Bar("requests/s against LiteLLM", _ratio(whole, OURS, PEER, _rate), 30)
            yield Bar(
                "requests/s with Redis against LiteLLM + Redis",
                _ratio(whole, REDIS, PEER_REDIS, _rate),
                50,
            )
            yield Bar("CPU a chunk, LiteLLM against ours", _ratio(events, PEER, OURS, _chunk), 15)
        yield Bar("requests/s against FastAPI + aiohttp", _ratio(whole, OURS, FLOOR, _rate), 1.3)
        yield Bar("requests/s against ours without policy", _ratio(whole, OURS, BARE, _rate), 0.5)
        for now, before in ((OURS, BEFORE), (REDIS, BEFORE_REDIS)):
            if before in whole:
                yield Bar(
                    f"CPU a request, {now} against {before}",
                    _ratio(whole, now, before, _cpu),
                    1.03,
                    at_most=True,
                )
        for name, bar in ((OURS, 25), (REDIS, 40)):
            policy = _median(whole[name], _cpu) - _median(whole[BARE], _cpu)
            yield Bar(f"policy, CPU us a request: {name}", policy, bar, at_most=True)
        for name in (OURS, REDIS):
            yield from self._streams(name)

    def _streams(self, name: str) -> Iterator[Bar]:
        slow = self.slow[name]
        complete = sum(f.requests for f in slow) / sum(f.requests + f.failed for f in slow)
        yield Bar(f"slow streams complete: {name}", complete, 1.0)
        yield Bar(f"slow streams, gap p99 ms: {name}", _median(slow, _gap), 75, at_most=True)
        yield Bar(f"slow streams, first p99 ms: {name}", _median(slow, _first), 200, at_most=True)
        yield Bar(f"users at once, p99 ms beyond: {name}", self._beyond(name), 200, at_most=True)


def _median(rounds: list[Found], value: Callable[[Found], float]) -> float:
    return statistics.median(value(found) for found in rounds)


def _ratio(rounds: Rounds, one: str, other: str, value: Callable[[Found], float]) -> float:
    pairs = zip(rounds[one], rounds[other], strict=True)
    return statistics.median(value(a) / max(value(b), 1e-9) for a, b in pairs)


def _rate(found: Found) -> float:
    return found.per_second


def _cpu(found: Found) -> float:
    return found.cpu_us


def _chunk(found: Found) -> float:
    return found.cpu_us_chunk


def _gap(found: Found) -> float:
    return found.gap_p99


def _first(found: Found) -> float:
    return found.first_p99
