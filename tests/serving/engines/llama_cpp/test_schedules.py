"""Everything at once, for thousands of steps: greedy answers stay token for token the serial ones.

Sharing, chunks, preemption, cancellation, guesses right and wrong, and files of KV, on engines that
live long enough for each to meet what the others left behind.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from modelyard.serving.engines.llama_cpp.engine import LlamaEngine
from tests.serving.engines.llama_cpp.serial_oracle import (
    FreeFiles,
    FreeSteps,
    Oracle,
    PlayedRequest,
    Serial,
    engine_on,
    play,
)

CELLS = 768
WAVES = 4


@dataclass(slots=True)
class Players:
    """Askers who begin alike, go on with what they were answered, and sometimes leave early."""

    draw: random.Random
    told: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])

    def wave(self) -> list[PlayedRequest]:
        return [self._part() for _ in range(self.draw.randint(1, 9))]

    def crowd(self) -> list[PlayedRequest]:
        """Answers that outgrow shared memory: somebody has to make room and start over."""
        return [
            PlayedRequest(tuple(self.draw.randrange(1000) for _ in range(40)), 700)
            for _ in range(3)
        ]

    def remember(self, parts: list[PlayedRequest], answers: list[list[int]]) -> None:
        talks = [(*part.prompt, *answer) for part, answer in zip(parts, answers, strict=True)]
        self.told = [*self.told, *(talk for talk in talks if len(talk) < CELLS // 3)][-12:]

    def _part(self) -> PlayedRequest:
        draw = self.draw
        start: tuple[int, ...] = ()
        if self.told and draw.random() < 0.6:
            start = draw.choice(self.told)
            start = start[: draw.choice([len(start), len(start), draw.randint(1, len(start))])]
        own = tuple(draw.randrange(1000) for _ in range(draw.choice([1, 4, 60])))
        limit = draw.choice([400, 12, 30, 60])
        leaves = draw.randint(1, limit) if draw.random() < 0.25 else None
        return PlayedRequest((*start, *own), limit, draw.choice([0, 0, 0.002, 0.01]), leaves)


@pytest.mark.parametrize(("unified", "batch"), [(False, 16), (False, 512), (True, 64)])
def test_every_mix_gives_the_serial_answers(
    endless: Path, full_length: int, *, unified: bool, batch: int
) -> None:
    """Waves of askers over few slots, small files, and an oracle that is often wrong."""
    serial = Serial(endless)
    shape = {"context_length": CELLS, "parallel": 3, "batch": batch, "kv_unified": unified}
    with engine_on(endless, spill_bytes=600_000, **shape) as engine:
        engine.scheduler.cache.spill.costs = FreeFiles()
        engine.scheduler.speculation.times = FreeSteps()
        players = Players(random.Random(batch + unified))
        _play_wave(engine, players, serial, players.crowd())
        for _ in range(WAVES * full_length):
            _play_wave(engine, players, serial, players.wave())
        seen = engine.snapshot()
    serial.close()
    assert seen.active == seen.queued == 0
    assert 0 < seen.accepted < seen.drafted
    assert seen.restored > 0
    assert seen.cached_tokens > 0
    assert (seen.preempted > 0) == unified


def _play_wave(
    engine: LlamaEngine, players: Players, serial: Serial, parts: list[PlayedRequest]
) -> None:
    expected = [serial.answer(part.prompt, part.limit) for part in parts]
    known = sorted(zip((p.prompt for p in parts), expected, strict=True), key=lambda k: -len(k[0]))
    oracle = Oracle(known, wrong=0.15, seed=players.draw.randrange(1000))
    for guess in engine.scheduler.speculation.guesses:
        guess.drafter = oracle
    answers = play(engine, parts)
    for part, answer, right in zip(parts, answers, expected, strict=True):
        if len(answer) < (part.cancel_after or part.limit) or answer != right[: len(answer)]:
            serial.check([part], [answer])  # unless two tokens were as good as equal
    players.remember(parts, answers)
