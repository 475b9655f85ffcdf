"""Decides how many tokens to draft for which sequences, to maximise tokens per second.

Every draft token is verified by sampling from the model's own logits at its position, with the
sequence's own sampler. So the output equals that without drafts, including seeds, penalties,
grammars and logprobs. A wrong guess costs only its share of the step.
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
"""Draft tokens by slot index."""

_MARGIN = 1.05
"""Minimum expected gain before anything is drafted, since measurements are not exact."""

_WEIGHT = 0.02  # of one more guess in the initial odds of new sequences
_PLAIN = 32  # one step in this many runs without drafts, as a baseline
_LONGEST_PAUSE = 8  # most steps to skip planning after steps in a row without drafts
_HOPELESS = 0.1  # odds
_COUNTS = (1, 2, 4, MOST)


@dataclass(slots=True)
class Speculation:
    """Plans each step's drafts and learns from their outcome; without drafters it does nothing."""

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
        """Drafts for a step without prompts, at most `room` tokens in all."""
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
        """Record that the first `accepted` of `drafted` tokens were right."""
        self.drafted += drafted
        self.accepted += accepted
        for nth in range(min(accepted + 1, drafted)):
            self.odds += _WEIGHT * ((nth < accepted) - self.odds)
        self.guesses[slot].learn(drafted, accepted)

    def took(self, seconds: float) -> None:
        """Record how long the planned step took, if it had no prompts."""
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
        """The sequences to draft for and the draft length with the most tokens per second."""
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
    """The likeliest one, two, four … and all sequences; unequal draft lengths would add passes."""
    likely = [hope for hope in hopes if hope.guess.odds >= _HOPELESS]
    likely.sort(key=lambda hope: -hope.guess.odds)
    size = 1
    while likely and size < 2 * len(likely):
        yield likely[:size]
        size *= 2
