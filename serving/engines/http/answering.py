"""Runs the choices of one request in parallel and writes the answer, whole or streamed."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from modelyard.registry.errors import ModelyardError
from modelyard.serving.engines.engine import Engine
from modelyard.serving.engines.generation import Delta, Generation
from modelyard.serving.engines.http.answers import AnswerFormat
from modelyard.serving.engines.http.tally import ChoiceUsage, timings_of
from modelyard.serving.wire.errors import error_reply
from modelyard.serving.wire.openai.events import DONE, counted, event
from modelyard.serving.wire.openai.usage import Usage

Piece = tuple[int, Delta]


@dataclass(frozen=True, slots=True)
class Answering:
    """One checked request: its prompts, the number of choices, and the answer's format."""

    engine: Engine
    prompts: Sequence[Generation]
    choices: int
    answer: AnswerFormat
    timed: bool = False

    async def whole(self) -> bytes:
        tallies = [ChoiceUsage() for _ in self._generations]
        async with aclosing(self._pieces()) as pieces:
            async for index, delta in pieces:
                tallies[index].count(delta)
        reply = self.answer.whole(tallies, self._usage(tallies))
        return msgspec.json.encode(self._timed(reply, tallies))

    async def stream(
        self, *, with_usage: bool, usage_so_far: bool = False, count: bool = False
    ) -> AsyncGenerator[bytes]:
        """The answer as server-sent events; `count` appends the usage for the gateway."""
        tallies = [ChoiceUsage() for _ in self._generations]
        for index in range(len(tallies)):
            if (first := self.answer.first(index)) is not None:
                yield event(first)
        try:
            async with aclosing(self._pieces()) as pieces:
                async for index, delta in pieces:
                    tallies[index].count(delta)
                    if delta.text or delta.calls or delta.scores or delta.finish:
                        chunk = self.answer.chunk(index, delta, tallies[index])
                        if usage_so_far:
                            chunk = msgspec.structs.replace(chunk, usage=self._usage(tallies))
                        yield event(chunk)
        except ModelyardError as error:  # the 200 is sent: the error is the last event
            self.engine.measures.errors[error.code] += 1
            yield event(error_reply(error)) + (counted(self._usage(tallies)) if count else b"")
            return
        usage = self._usage(tallies)
        if with_usage or self.timed:
            last = self.answer.last(usage if with_usage else None)
            yield event(self._timed(last, tallies))
        yield DONE + (counted(usage) if count else b"")

    @property
    def _generations(self) -> list[Generation]:
        """The generation of each choice; as with OpenAI, choices of one prompt are adjacent."""
        return [prompt.choice(n) for prompt in self.prompts for n in range(self.choices)]

    def _usage(self, tallies: list[ChoiceUsage]) -> Usage:
        """The total usage; a prompt counts once, since its later choices reuse its cache."""
        return Usage.of(
            prompt=sum(len(generation.prompt) for generation in self.prompts),
            completion=sum(tally.completion for tally in tallies),
            cached=sum(tally.cached for tally in tallies[:: self.choices]),
        )

    def _timed(self, reply: msgspec.Struct, tallies: list[ChoiceUsage]) -> msgspec.Struct:
        return msgspec.structs.replace(reply, timings=timings_of(tallies)) if self.timed else reply

    async def _pieces(self) -> AsyncGenerator[Piece]:
        """Each choice's deltas as they come; echoed prompts come first."""
        generations = self._generations
        for index, generation in enumerate(generations):
            if generation.echo:
                yield index, Delta(generation.echo)
        if len(generations) == 1:
            async with aclosing(self.engine.generate(generations[0])) as deltas:
                async for delta in deltas:
                    yield 0, delta
            return
        async with aclosing(self._side_by_side(generations)) as pieces:
            async for piece in pieces:
                yield piece

    async def _side_by_side(self, generations: list[Generation]) -> AsyncGenerator[Piece]:
        """Run all choices in parallel; the first failure fails the request."""
        news = asyncio.Queue[Piece | asyncio.Task[None]]()
        running = [
            asyncio.create_task(self._follow(index, generation, news))
            for index, generation in enumerate(generations)
        ]
        for task in running:
            task.add_done_callback(news.put_nowait)
        try:
            left = len(running)
            while left:
                item = await news.get()
                if isinstance(item, tuple):
                    yield item
                else:
                    item.result()
                    left -= 1
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _follow(
        self,
        index: int,
        generation: Generation,
        news: asyncio.Queue[Piece | asyncio.Task[None]],
    ) -> None:
        async with aclosing(self.engine.generate(generation)) as deltas:
            async for delta in deltas:
                news.put_nowait((index, delta))
