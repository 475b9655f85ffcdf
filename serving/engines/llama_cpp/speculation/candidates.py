"""How well guesses for one sequence do: the odds of the next guess, and when to retry."""

from dataclasses import dataclass, field

from modelyard.serving.engines.llama_cpp.kv.slot import Slot
from modelyard.serving.engines.llama_cpp.speculation.drafting import Drafter

_WEIGHT = 0.15  # of one more guess
_SHORTEST = 16
_LONGEST = 1024  # steps of rest between two tries


@dataclass(slots=True)
class DraftCandidate:
    """The sequence in one slot, and the odds that a guessed token is right."""

    drafter: Drafter
    tokens: list[int] = field(default_factory=list[int])
    odds: float = 0.5
    _rest: int = _SHORTEST
    _rested: int = 0

    def begin(self, tokens: list[int], odds: float) -> None:
        self.tokens = tokens
        self.odds = odds
        self._rest = _SHORTEST
        self._rested = 0

    def expected(self, count: int) -> float:
        """Expected accepted tokens of `count` guesses; a guess needs all before it to be right."""
        odds = min(self.odds, 0.99)
        return odds * (1 - odds**count) / (1 - odds)

    def is_due(self) -> bool:
        """Count a step in which guessing does not pay; True when it should be retried anyway."""
        self._rested += 1
        return self._rested >= self._rest

    def learn(self, drafted: int, accepted: int) -> None:
        self.odds = 1 - (1 - self.odds) * (1 - _WEIGHT) ** accepted
        if accepted < drafted:
            self.odds *= 1 - _WEIGHT
        if self._rested >= self._rest:  # this step was a retry
            self._rest = _SHORTEST if accepted else min(2 * self._rest, _LONGEST)
            self.odds = max(self.odds, 0.5) if accepted else self.odds
        self._rested = 0


@dataclass(frozen=True, slots=True)
class DraftableSlot:
    """A slot whose next tokens can be guessed, at most `reach` of them."""

    slot: Slot
    guess: DraftCandidate
    reach: int
