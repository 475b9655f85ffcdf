"""A GGUF embedding model: one thread that batches as many inputs as fit."""

import asyncio
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic, perf_counter

import numpy as np

from modelyard.serving.engines.aside import Aside
from modelyard.serving.engines.encoder import Vectors
from modelyard.serving.engines.engine import EngineSnapshot
from modelyard.serving.engines.llama_cpp.batch import Batch
from modelyard.serving.engines.llama_cpp.model.binding import LlamaContext, LlamaModel
from modelyard.serving.engines.llama_cpp.tokenizer.tokenizer import Bound
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.engines.measures import Measures
from modelyard.serving.errors import (
    ContextLengthExceeded,
    EngineBusy,
    EngineFailed,
    InvalidRequest,
    UnsupportedParameter,
)
from modelyard.serving.wire.openai.chat.messages import ChatMessage
from modelyard.serving.wire.openai.encoders.embeddings import Input


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """One input and the future of its vector."""

    tokens: list[int]
    vector: Future[bytes] = field(default_factory=Future[bytes])


@dataclass(slots=True)
class LlamaEmbedder:
    """One model; see `modelyard.serving.engines.encoder.EmbeddingModel`."""

    model: LlamaModel
    vocabulary: Vocabulary
    context: LlamaContext
    context_length: int
    max_queue: int = 256
    measures: Measures = field(default_factory=Measures)
    aside: Aside = field(default_factory=Aside)
    _jobs: queue.SimpleQueue[_Job | None] = field(default_factory=queue.SimpleQueue[_Job | None])
    _batch: Batch = field(init=False)
    _thread: threading.Thread = field(init=False)
    _held: _Job | None = None
    _active: int = 0
    _read: int = 0
    _begun_at: float = 0.0

    def __post_init__(self) -> None:
        self._batch = Batch(self.context.shape.batch)
        self._thread = threading.Thread(target=self._run, name="embedder", daemon=True)
        self._thread.start()

    async def embed(
        self,
        inputs: Sequence[Input],
        *,
        dimensions: int | None,
        truncate: bool,
        prompt_name: str | None = None,
    ) -> Vectors:
        """Unit-length vectors; raises InvalidRequest, ContextLengthExceeded, EngineBusy."""
        self._check_dimensions(dimensions)
        if prompt_name is not None:
            raise InvalidRequest("A GGUF model has no prompts with names.", param="prompt_name")
        if self._jobs.qsize() + len(inputs) > max(self.max_queue, len(inputs)):
            raise EngineBusy(f"{self._jobs.qsize()} inputs wait for this model already.")
        size = sum(len(given) for given in inputs if isinstance(given, str))
        jobs = await self.aside.run(
            size, lambda: [_Job(self._tokens(given, truncate=truncate)) for given in inputs]
        )
        for job in jobs:
            self._jobs.put(job)
        if not self._thread.is_alive():
            raise EngineFailed("The engine has stopped.")
        begun = perf_counter()
        rows = await asyncio.gather(*(asyncio.wrap_future(job.vector) for job in jobs))
        self.measures.request_seconds.add(perf_counter() - begun)
        return Vectors(rows, sum(len(job.tokens) for job in jobs))

    def _check_dimensions(self, asked: int | None) -> None:
        """Raise unless `asked` is the model's width: a truncated vector is not the model's."""
        if asked not in {None, self.model.width}:
            raise UnsupportedParameter(
                f"'dimensions' is {asked}: this model's embeddings have {self.model.width}.",
                param="dimensions",
            )

    async def tokenize(
        self, prompt: str | tuple[ChatMessage, ...], *, begin: bool, size: int
    ) -> list[int]:
        if not isinstance(prompt, str):
            raise InvalidRequest("This model has no chat template.", param="messages")
        bound = Bound("prompt")
        return await self.aside.run(
            size, lambda: self.vocabulary.tokens(prompt, begin=begin, bound=bound)
        )

    def spelled(self, tokens: list[int]) -> list[bytes]:
        return self.vocabulary.spelled("tokens", tokens)

    def snapshot(self) -> EngineSnapshot:
        return EngineSnapshot(
            slots=self.context.shape.sequences,
            batches=True,
            active=self._active,
            queued=self._jobs.qsize(),
            cells=self.context.shape.cells,
            cells_used=0,
            context_length=self.context_length,
            prompt_tokens=self._read,
            step_s=monotonic() - begun_at if (begun_at := self._begun_at) else 0.0,
            alive=self._thread.is_alive(),
        )

    def close(self) -> None:
        self.aside.close()
        self._jobs.put(None)
        self._thread.join()
        self.context.close()
        self.model.close()

    def _tokens(self, given: Input, *, truncate: bool) -> list[int]:
        bound = Bound("input", None if truncate else self.context_length)
        is_text = isinstance(given, str)
        tokens = self.vocabulary.tokens(given, bound=bound) if is_text else list(given)
        if not tokens or max(tokens) >= self.vocabulary.size:
            raise InvalidRequest(
                f"'input' must have tokens below {self.vocabulary.size}.", param="input"
            )
        if len(tokens) > self.context_length and not truncate:
            raise ContextLengthExceeded(
                f"'input' has {len(tokens)} tokens; the context holds {self.context_length}.",
                param="input",
            )
        return tokens[: self.context_length]

    # On the embedder's thread

    def _run(self) -> None:
        while (first := self._held or self._jobs.get()) is not None:
            self._held = None
            jobs = [job for job in self._gather(first) if job.vector.set_running_or_notify_cancel()]
            self._active = len(jobs)
            if jobs:
                self._begun_at = monotonic()
                self._compute(jobs)
                self._begun_at = 0.0
            self._active = 0

    def _gather(self, first: _Job) -> list[_Job]:
        """Queued inputs that fit into one batch; the first that does not starts the next one."""
        jobs = [first]
        room = self._batch.capacity - len(first.tokens)
        while len(jobs) < self.context.shape.sequences and not self._jobs.empty():
            job = self._jobs.get()
            if job is None or len(job.tokens) > room:
                self._held = job
                if job is None:
                    self._jobs.put(None)
                break
            jobs.append(job)
            room -= len(job.tokens)
        return jobs

    def _compute(self, jobs: list[_Job]) -> None:
        begun = perf_counter()
        self._batch.clear()
        self.context.clear()
        for index, job in enumerate(jobs):
            self._batch.add(index, job.tokens, 0, wanted=True, every=True)
        if code := self.context.decode(self._batch.native):
            for job in jobs:
                job.vector.set_exception(EngineFailed(f"llama.cpp refused a batch (code {code})."))
            return
        self._read += self._batch.size
        self.measures.step(self._batch.size, len(jobs), perf_counter() - begun)
        for index, job in enumerate(jobs):
            vector = self.context.embedding(index, self.model.width)
            length = float(np.linalg.norm(vector)) or 1.0
            job.vector.set_result((vector / length).astype("<f4").tobytes())
