"""Where guessing pays: how many tokens to guess for whom, so that tokens a second rise.

Every guess is confirmed by drawing from the model's own logits at its place, with the sequence's
own drawer: what is written is what would have been written one by one, seeds, penalties, grammars
and logprobs included. A guess that fails costs its share of the step and nothing else.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from modelyard.serving.engines.llama_cpp.kv.slot import Slot
from modelyard.serving.engines.llama_cpp.speculation.candidates import DraftableSlot, DraftCandidate
from modelyard.serving.engines.llama_cpp.speculation.drafting import MOST, Drafter
from modelyard.serving.engines.llama_cpp.speculation.step_times import (
    NOTHING,
    Extra,
    StepTimes,
    extra_passes,
)

Drafts = Mapping[int, list[int]]
"""Guessed tokens by the index of their slot."""

_MARGIN = 1.05
"""The gain to be expected before anything is guessed: what is measured is not exact."""

_WEIGHT = 0.02  # of one more guess in the odds that a new sequence begins with
_PLAIN = 32  # one step in so many is made without guesses, to know what they are worth
_LONGEST_PAUSE = 8  # steps without a look, after as many looks that came to nothing
_HOPELESS = 0.1  # odds
_COUNTS = (1, 2, 4, MOST)


@dataclass(slots=True)
class Speculation:
    """Plans each step's guesses and learns from what became of them; no drafters: never any."""

    drafters: Iterable[Drafter] = ()
    unified: bool = False
    times: StepTimes = field(default_factory=StepTimes)
    drafted: int = 0
    accepted: int = 0
    odds: float = 0.5
    guesses: list[DraftCandidate] = field(init=False)
    _steps: int = 0
    _pause: int = 0
    _fruitless: int = 0
    _writers: tuple[int, ...] = ()
    _planned: Extra = NOTHING

    def __post_init__(self) -> None:
        self.guesses = [DraftCandidate(drafter) for drafter in self.drafters]

    def plan(self, slots: list[Slot], room: int) -> Drafts:
        """Guesses for a step that only writes, at most `room` tokens in all."""
        self._writers = ()
        self._planned = NOTHING
        if self._pause:
            self._pause -= 1
            return {}
        if not self.guesses or not slots or any(slot.remaining > 1 for slot in slots):
            return {}
        self._steps += 1
        self._writers = tuple(slot.index for slot in slots)
        if self._steps % _PLAIN == 0 or len(slots) not in self.times.plain:
            return {}
        hopes = [hope for slot in slots if (hope := self._hope(slot)) is not None]
        drafts = self._drafts(hopes, room) if hopes and room > 0 else {}
        self._fruitless = 0 if drafts else min(self._fruitless + 1, _LONGEST_PAUSE)
        self._pause = self._fruitless
        return drafts

    def learn(self, slot: int, drafted: int, accepted: int) -> None:
        """Of `drafted` guesses the first `accepted` were right."""
        self.drafted += drafted
        self.accepted += accepted
        for nth in range(min(accepted + 1, drafted)):
            self.odds += _WEIGHT * ((nth < accepted) - self.odds)
        self.guesses[slot].learn(drafted, accepted)

    def took(self, seconds: float) -> None:
        """How long the planned step took, where it only wrote."""
        if self._writers:
            self.times.saw(len(self._writers), self._planned, seconds)

    def _hope(self, slot: Slot) -> DraftableSlot | None:
        sequence = slot.sequence
        guess = self.guesses[slot.index]
        if sequence is None or sequence.is_scored or sequence.left < 2:
            return None
        if guess.tokens is not sequence.tokens:
            guess.begin(sequence.tokens, self.odds)
        reach = min(guess.drafter.reach(sequence.tokens), sequence.left - 1)
        return DraftableSlot(slot, guess, reach) if reach > 0 else None

    def _drafts(self, hopes: list[DraftableSlot], room: int) -> Drafts:
        chosen, count = self._worth(hopes, room)
        if not chosen:
            chosen = [hope for hope in hopes if hope.guess.is_due()][:room]
            count = 1
        drafts = dict[int, list[int]]()
        for hope in chosen:
            draft = hope.guess.drafter.propose(hope.guess.tokens, count)
            if draft:
                drafts[hope.slot.index] = draft
        self._planned = Extra(sum(map(len, drafts.values())), self._passes(drafts))
        return drafts

    def _worth(self, hopes: list[DraftableSlot], room: int) -> tuple[list[DraftableSlot], int]:
        """Who is guessed, and how far: of all plans the one with most tokens a second."""
        writers = len(self._writers)
        best = _MARGIN * writers / self.times.plain[writers]
        chosen: tuple[list[DraftableSlot], int] = [], 0
        for group in _groups(hopes):
            passes = self._passes([hope.slot.index for hope in group])
            price = sum(hope.guess.drafter.seconds for hope in group)
            for count in _COUNTS:
                able = len(group) * count <= room and all(hope.reach >= count for hope in group)
                if not able:
                    break
                tokens = writers + sum(hope.guess.expected(count) for hope in group)
                seconds = self.times.of(writers, Extra(len(group) * count, passes))
                if tokens / (seconds + price * count) > best:
                    best = tokens / (seconds + price * count)
                    chosen = (group, count)
        return chosen

    def _passes(self, guessed: Collection[int]) -> int:
        return 0 if self.unified else extra_passes(self._writers, guessed)


def _groups(hopes: list[DraftableSlot]) -> Iterator[list[DraftableSlot]]:
    """The likeliest one, two, four … and all: guesses of unequal length would cost passes."""
    likely = [hope for hope in hopes if hope.guess.odds >= _HOPELESS]
    likely.sort(key=lambda hope: -hope.guess.odds)
    size = 1
    while likely and size < 2 * len(likely):
        yield likely[:size]
        size *= 2
