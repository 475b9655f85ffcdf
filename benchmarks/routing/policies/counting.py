"""Policies that count requests: round robin, least requests, power of two choices, LocalAI."""

from dataclasses import dataclass

from benchmarks.routing.policies.baseline import Baseline
from benchmarks.routing.workload import Request


@dataclass(slots=True)
class RoundRobin(Baseline):
    """Each in turn."""

    _turn: int = 0

    def pick(self, request: Request, among: list[int]) -> int:
        self._turn += 1
        return among[self._turn % len(among)]


@dataclass(slots=True)
class LeastRequests(Baseline):
    """The one with the fewest requests of ours; ties by chance."""

    def pick(self, request: Request, among: list[int]) -> int:
        least = min(self.load[w] for w in among)
        return self.sim.chance.choice([w for w in among if self.load[w] == least])


@dataclass(slots=True)
class PowerOfTwo(Baseline):
    """The less loaded of two drawn by chance."""

    def pick(self, request: Request, among: list[int]) -> int:
        drawn = self.sim.chance.sample(among, min(2, len(among)))
        return min(drawn, key=lambda w: self.load[w])


@dataclass(slots=True)
class LocalAi(Baseline):
    """Where it is resident the idle first, then the least loaded; the rest is the ladder."""

    def pick(self, request: Request, among: list[int]) -> int:
        return min(among, key=lambda w: (self.load[w], w))
