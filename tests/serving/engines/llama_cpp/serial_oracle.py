"""Plays asks against an engine, and knows what llama_cpp's own serial `Llama` would answer."""

import asyncio
import random
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.generation import Finish, Generation, Sampling
from modelyard.serving.engines.llama_cpp.engine import LlamaEngine
from modelyard.serving.engines.llama_cpp.kv.slot import Sequence
from modelyard.serving.engines.llama_cpp.load import load_writer
from modelyard.serving.engines.llama_cpp.speculation.drafting import MOST
from modelyard.serving.engines.llama_cpp.speculation.step_times import Extra, StepTimes

GREEDY = Sampling(temperature=0)
ROUNDING = 0.05  # of a logit; the tiny models' logits spread over some twenty
_numbers = count()


@dataclass(frozen=True, slots=True)
class PlayedRequest:
    """One request of a play: when it comes, and after how many tokens it is called off."""

    prompt: tuple[int, ...]
    limit: int = 32
    after_s: float = 0.0
    cancel_after: int | None = None
    adapter: str = ""


@contextmanager
def engine_on(path: Path, **given: Any) -> Generator[LlamaEngine]:
    settings = {
        "version_id": "v", "model_name": "tiny", "format": "gguf", "internal_token": "t" * 32,
        "context_length": 1024, "parallel": 4, "threads": 1,
    }  # fmt: skip
    engine = load_writer(EngineConfig.model_validate(settings | {"path": str(path)} | given))
    try:
        yield engine
    finally:
        engine.close()


def play(
    engine: LlamaEngine, parts: list[PlayedRequest], sampling: Sampling = GREEDY
) -> list[list[int]]:
    """The tokens each part got; a cancelled one may have got fewer than it waited for."""

    async def all_parts() -> list[list[int]]:
        return await asyncio.gather(*(_one(engine, part, sampling) for part in parts))

    return asyncio.run(all_parts())


async def _one(engine: LlamaEngine, part: PlayedRequest, sampling: Sampling) -> list[int]:
    await asyncio.sleep(part.after_s)
    generation = Generation(part.prompt, part.limit, (), sampling, adapter=part.adapter)
    sequence = Sequence(generation, next(_numbers), asyncio.get_running_loop())
    engine.scheduler.submit(sequence)
    tokens: list[int] = []
    while not isinstance(news := await sequence.mailbox.get(), Finish):
        assert isinstance(news, int), news
        tokens.append(news)
        if len(tokens) == part.cancel_after:
            engine.scheduler.cancel(sequence)
    return tokens


class FreeSteps(StepTimes):
    """Guesses cost nothing: the tiny models are too fast for any to pay."""

    def __init__(self) -> None:
        super().__init__(plain=dict.fromkeys(range(65), 1.0))

    def saw(self, writers: int, extra: Extra, seconds: float) -> None: ...


@dataclass(slots=True)
class FreeFiles:
    """The tiny models compute faster than any disk reads: here files are worth it all the same."""

    def worth_saving(self, tokens: int, size: int) -> bool:
        return tokens > 0

    def worth_loading(self, tokens: int, size: int) -> bool:
        return True

    def saved(self, size: int, seconds: float) -> None: ...

    def loaded(self, size: int, seconds: float) -> None: ...


class Oracle:
    """Knows how prompts go on, and is `wrong` about that share of the tokens."""

    seconds = 0.0

    def __init__(
        self, answers: list[tuple[tuple[int, ...], list[int]]], wrong: float, seed: int = 0
    ) -> None:
        self._answers = answers
        self._wrong = wrong
        self._draw = random.Random(seed)

    def reach(self, tokens: list[int]) -> int:
        return MOST

    def propose(self, tokens: list[int], count: int) -> list[int]:
        known = next((p, a) for p, a in self._answers if tuple(tokens[: len(p)]) == p)
        written = len(tokens) - len(known[0])
        right = (*known[1][written : written + count], *([0] * count))[:count]
        return [(t + (self._draw.random() < self._wrong)) % 1000 for t in right]


@dataclass(slots=True)
class Serial:
    """llama_cpp's own `Llama` with the engine's flags, one request after the other."""

    path: Path
    _llama: Any = field(default=None, repr=False)

    def check(self, parts: list[PlayedRequest], answers: list[list[int]]) -> None:
        """Every answer is complete and the serial one, token for token.

        Where two tokens are as good as equal, llama.cpp's own half-precision sums decide, and they
        depend on how a prompt was cut into batches: such an answer may go the other way.
        """
        for part, answer in zip(parts, answers, strict=True):
            assert len(answer) >= min(part.cancel_after or part.limit, part.limit)
            expected = self.answer(part.prompt, len(answer))
            assert answer == expected or self._behind(part.prompt, answer) < ROUNDING

    def answer(self, prompt: tuple[int, ...], limit: int) -> list[int]:
        self._model.reset()
        return list(islice(self._model.generate(prompt, temp=0.0), limit))

    def text(self, prompt: str, limit: int) -> str:
        """What the answer's tokens spell."""
        tokens = tuple(self._model.tokenize(prompt.encode(), add_bos=True, special=True))
        answer = self._model.detokenize(self.answer(tokens, limit), special=False)
        return str(answer.decode("utf-8", "replace"))

    def close(self) -> None:
        self._model.close()

    def _behind(self, prompt: tuple[int, ...], answer: list[int]) -> float:
        """By how much of a logit an answer's tokens were ever behind the likeliest ones."""
        judge = self.open(logits_all=True)
        judge.eval([*prompt, *answer])
        rows = judge.scores[len(prompt) - 1 : len(prompt) + len(answer) - 1]
        behind = rows.max(axis=1) - rows[range(len(answer)), answer]
        judge.close()
        return float(behind.max())

    @property
    def _model(self) -> Any:
        if self._llama is None:
            self._llama = self.open()
        return self._llama

    def open(self, **given: Any) -> Any:
        import llama_cpp

        settings = {"n_ctx": 2048, "n_threads": 1, "n_threads_batch": 1, "flash_attn": True}
        return llama_cpp.Llama(str(self.path), verbose=False, **settings, **given)
