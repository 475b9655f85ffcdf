"""The order of waiting jobs of several priorities: urgent ones first, and nobody waits for ever."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from modelyard.registry.jobs.limits import AGEING


@dataclass(frozen=True, slots=True)
class Candidate:
    """A waiting job as the order sees it."""

    id: str
    priority: int
    submitted_at: datetime
    rank: float

    def level(self, now: datetime) -> tuple[int, int]:
        """Its priority, and one more for each AGEING that it has waited; then the priority."""
        aged = self.priority + max(0, (now - self.submitted_at) // AGEING)
        return (aged, self.priority)


@dataclass(slots=True)
class WaitingLine:
    """The waiting jobs of one priority, in their fair order and with the oldest first."""

    by_turn: list[Candidate]
    by_age: list[Candidate]

    def take(self, id_: str) -> None:
        self.by_turn = [one for one in self.by_turn if one.id != id_]
        self.by_age = [one for one in self.by_age if one.id != id_]


def in_order(lines: Sequence[WaitingLine], most: int, now: datetime) -> Iterator[Candidate]:
    """The next `most` jobs; each line has at least so many in both orders, or all it has.

    The line whose oldest job is the most urgent is next. It sends the first of its fair order where
    that one alone is urgent enough, and else the oldest.
    """
    for _ in range(most):
        waiting = [line for line in lines if line.by_age and line.by_turn]
        if not waiting:
            return
        waiting.sort(key=lambda line: line.by_age[0].level(now))
        line = waiting.pop()
        rival = waiting[-1].by_age[0].level(now) if waiting else (0, 0)
        first = line.by_turn[0]
        chosen = first if first.level(now) > rival else line.by_age[0]
        line.take(chosen.id)
        yield chosen
