"""The engine's asynchronous interface: requests become tokens, tokens become text."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field

from modelyard.serving.engines.aside import Aside
from modelyard.serving.engines.engine import EngineSnapshot
from modelyard.serving.engines.generation import Delta, Generation, GenerationRequest
from modelyard.serving.engines.llama_cpp.kv.slot import Sequence
from modelyard.serving.engines.llama_cpp.model.binding import LlamaModel
from modelyard.serving.engines.llama_cpp.prompt.prompting import PromptPreparation
from modelyard.serving.engines.llama_cpp.scheduler import Scheduler
from modelyard.serving.engines.llama_cpp.speculation.draft_model import DraftModel
from modelyard.serving.engines.llama_cpp.text_emitter import TextEmitter, news_of
from modelyard.serving.engines.llama_cpp.tokenizer.tokenizer import Bound
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.engines.measures import Measures
from modelyard.serving.errors import EngineBusy
from modelyard.serving.wire.openai.chat.messages import ChatMessage


@dataclass(slots=True)
class LlamaEngine:
    """One GGUF model behind a scheduler; see `modelyard.serving.engines.engine.Engine`."""

    model: LlamaModel
    vocabulary: Vocabulary
    scheduler: Scheduler
    prompting: PromptPreparation
    max_queue: int = 256
    draft: DraftModel | None = None
    aside: Aside = field(default_factory=Aside)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def measures(self) -> Measures:
        return self.scheduler.measures

    async def prepare(self, ask: GenerationRequest) -> Generation:
        if self.scheduler.queued + ask.choices > self.max_queue:
            raise EngineBusy(f"{self.max_queue} requests wait for this model already.")
        if ask.adapter:
            load = self.scheduler.errand(lambda: self.scheduler.adapters.load(ask.adapter))
            await asyncio.wrap_future(load)
        # Rendering, tokenising and compiling a schema take time: keep them off the event loop.
        return await self.aside.run(ask.size, lambda: self.prompting.generation(ask))

    async def generate(self, generation: Generation) -> AsyncGenerator[Delta]:
        sequence = Sequence(generation, next(self._numbers), asyncio.get_running_loop())
        if generation.grammar is not None:
            # Not on the scheduler's thread: the copy of a large one takes a while.
            sequence.grammar = await asyncio.to_thread(
                self.prompting.grammars.copy_of, generation.grammar
            )
        self.scheduler.submit(sequence)
        writer = TextEmitter.of(generation, self.vocabulary)
        try:
            delta = Delta("")
            while delta.finish is None:
                delta = writer.write(sequence, await news_of(sequence))
                yield delta
            self.measures.ended[delta.finish] += 1
        except (GeneratorExit, asyncio.CancelledError):
            self.measures.ended["cancelled"] += 1
            raise
        finally:
            self.scheduler.cancel(sequence)

    async def tokenize(
        self, prompt: str | tuple[ChatMessage, ...], *, begin: bool, size: int
    ) -> list[int]:
        return await self.aside.run(size, lambda: self._tokens(prompt, begin=begin))

    def _tokens(self, prompt: str | tuple[ChatMessage, ...], *, begin: bool) -> list[int]:
        if isinstance(prompt, str):
            return self.vocabulary.tokens(prompt, begin=begin, bound=Bound("prompt"))
        return self.prompting.chat(prompt, bound=Bound("messages"))

    def spelled(self, tokens: list[int]) -> list[bytes]:
        return self.vocabulary.spelled("tokens", tokens)

    def snapshot(self) -> EngineSnapshot:
        cache = self.scheduler.cache
        speed = self.scheduler.speed
        return EngineSnapshot(
            alive=self.scheduler.alive,
            slots=len(cache.slots),
            active=sum(not s.is_idle for s in cache.slots),
            queued=self.scheduler.queued,
            cells=cache.context.shape.cells,
            cells_used=cache.cells_used,
            context_length=self.prompting.context_length,
            decode_tps=round(speed.decode_tps, 2),
            prefill_tps=round(speed.prefill_tps, 2),
            prompt_tokens=speed.prompt_tokens,
            cached_tokens=speed.cached_tokens,
            generated_tokens=speed.generated_tokens,
            preempted=speed.preempted,
            drafted=self.scheduler.speculation.drafted,
            accepted=self.scheduler.speculation.accepted,
            spilled=cache.spill.saved,
            spilled_bytes=cache.spill.size,
            restored=cache.spill.restored,
            steps=speed.steps,
            between_s=round(speed.between_s, 6),
            step_s=round(self.scheduler.step_s, 3),
        )

    def close(self) -> None:
        self.aside.close()
        self.prompting.close()
        self.scheduler.stop()
        self.scheduler.cache.spill.close()
        if self.draft is not None:
            self.draft.close()
        self.scheduler.context.close()
        self.model.close()
