"""An engine without a model: it answers the same words every time, after a delay."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from modelyard.serving.engines.engine import EngineSnapshot
from modelyard.serving.engines.generation import Delta, Finish, Generation, GenerationRequest
from modelyard.serving.engines.measures import Measures
from modelyard.serving.engines.text import StopText
from modelyard.serving.errors import ContextLengthExceeded, EngineFailed, UnsupportedParameter

WORDS = tuple("All the world is a stage and all the men and women merely players".split())  # noqa: SIM905

_FAIL = -1
_END = -2
_END_LATER = -3
_ASKED = {"[fail]": _FAIL, "[end]": _END, "[end-later]": _END_LATER}
_LATER = 5


@dataclass(slots=True)
class MockEngine:
    """Says `words` in a circle, one every `delay_s`, after `prefill_s`; to load takes `load_s`.

    A prompt that contains `[fail]` breaks after the first word, so failures can be tested; one that
    contains `[end]` or `[end-later]` ends the process, in half of `prefill_s` or after some words.
    """

    words: tuple[str, ...] = WORDS
    delay_s: float = 0.005
    prefill_s: float = 0.0
    load_s: float = 0.0
    parallel: int = 4
    context_length: int = 4096
    measures: Measures = field(default_factory=Measures)
    _places: asyncio.Semaphore = field(init=False)
    _waiting: int = field(default=0, init=False)
    _active: int = field(default=0, init=False)
    _said: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        time.sleep(self.load_s)
        self._places = asyncio.Semaphore(self.parallel)

    async def prepare(self, ask: GenerationRequest) -> Generation:
        """One token per word of the prompt; what it asks for is below zero."""
        _refuse(ask)
        prompt = _tokens(ask)
        room = self.context_length - len(prompt)
        if room < 1:
            raise ContextLengthExceeded(
                f"The prompt has {len(prompt)} tokens; the context holds {self.context_length}.",
                param="messages",
            )
        limit = min(ask.limit or room, room)
        return Generation(prompt, limit, ask.stop, ask.sampling)

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta]:
        """As real engines do, it speaks on while nobody listens."""
        said = asyncio.Queue[Delta | asyncio.Task[None]]()
        speaking = asyncio.create_task(self._speak(generation, said))
        speaking.add_done_callback(said.put_nowait)
        try:
            while isinstance(word := await said.get(), Delta):
                yield word
            word.result()
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    async def _speak(
        self, generation: Generation, said: asyncio.Queue[Delta | asyncio.Task[None]]
    ) -> None:
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        self._active += 1
        try:
            async for delta in self._say(generation):
                said.put_nowait(delta)
        finally:
            self._active -= 1
            self._places.release()

    async def _say(self, generation: Generation) -> AsyncGenerator[Delta]:
        await asyncio.sleep(self.prefill_s / 2)
        if _END in generation.prompt:
            _end()
        await asyncio.sleep(self.prefill_s / 2)
        stops = StopText(generation.stop)
        for index in range(generation.limit):
            await asyncio.sleep(self.delay_s)
            if index == 1 and _FAIL in generation.prompt:
                raise EngineFailed("The prompt asked for a failure.")
            if index == _LATER and _END_LATER in generation.prompt:
                _end()
            self._said += 1
            word = self.words[index % len(self.words)]
            text = stops.push(word if index == 0 else f" {word}")
            if stops.stopped:
                yield Delta(text, 1, Finish.STOP)
                return
            last = index + 1 == generation.limit
            yield Delta(text + stops.rest() if last else text, 1, Finish.LENGTH if last else None)

    def snapshot(self) -> EngineSnapshot:
        return EngineSnapshot(
            slots=self.parallel,
            active=self._active,
            queued=self._waiting,
            cells=self.context_length * self.parallel,
            cells_used=0,
            context_length=self.context_length,
            generated_tokens=self._said,
        )

    def close(self) -> None:
        self.words = ()


def _refuse(ask: GenerationRequest) -> None:
    """What needs a model cannot be played."""
    asked = {
        "model": ask.adapter != "",
        "logprobs": ask.scoring is not None,
        "echo": ask.echo,
        "response_format": ask.form is not None,
        "tools": ask.tools is not None,
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise UnsupportedParameter(f"'{name}' needs a real model.", param=name)


def _tokens(ask: GenerationRequest) -> tuple[int, ...]:
    if isinstance(ask.prompt, str):
        words = ask.prompt.split()
    elif ask.prompt and isinstance(ask.prompt[0], int):
        return tuple(t for t in ask.prompt if isinstance(t, int))
    else:
        words = [w for m in ask.prompt if not isinstance(m, int | str) for w in m.content.split()]
    return tuple(_ASKED.get(word) or len(word) for word in words)


def _end() -> None:
    """As a native library ends a process: without a word."""
    os.kill(os.getpid(), signal.SIGKILL)
