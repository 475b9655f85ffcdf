"""The engine's asynchronous interface: requests become tokens, tokens become rows."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.serving.engines.aside import Aside
from modelyard.serving.engines.encoder import Labels, Scores, Spans, Task, Vectors
from modelyard.serving.engines.engine import EngineSnapshot
from modelyard.serving.engines.measures import Measures
from modelyard.serving.engines.onnx.backlog import EncodeRequest
from modelyard.serving.engines.onnx.description import Description
from modelyard.serving.engines.onnx.heads import normalised
from modelyard.serving.engines.onnx.lanes import Lanes
from modelyard.serving.engines.onnx.spans import spans
from modelyard.serving.engines.onnx.tokens import EncodedText, TextPrompt, TextTokenizer
from modelyard.serving.errors import EngineBusy, InvalidRequest, UnsupportedParameter
from modelyard.serving.wire.openai.encoders.embeddings import Input

_SHORT = 4096
"""Up to this many characters, tokenizing inline is faster than handing it to a thread."""


@dataclass(slots=True)
class OnnxEngine:
    """One model with its lanes; see `modelyard.serving.engines.encoder.Encoder`."""

    description: Description
    reader: TextTokenizer
    lanes: Lanes
    max_queue: int
    aside: Aside = field(default_factory=Aside)

    @property
    def task(self) -> Task:
        return self.description.task

    @property
    def measures(self) -> Measures:
        return self.lanes.measures

    async def embed(
        self,
        inputs: Sequence[Input],
        *,
        dimensions: int | None,
        truncate: bool,
        prompt_name: str | None = None,
    ) -> Vectors:
        self._check_dimensions(dimensions)
        prompt = self._prompt(prompt_name)
        texts = await self._read(inputs, truncate=truncate, prompt=prompt)
        rows = await self._rows(texts)
        if dimensions is not None:
            rows = [self._cut(row, dimensions) for row in rows]
        return Vectors([row.astype("<f4").tobytes() for row in rows], _count(texts))

    async def classify(self, inputs: Sequence[Input], *, truncate: bool) -> Labels:
        texts = await self._read(inputs, truncate=truncate)
        return Labels(self.description.labels, await self._rows(texts), _count(texts))

    async def mark(self, inputs: Sequence[Input], *, truncate: bool) -> Spans:
        if not all(isinstance(given, str) for given in inputs):
            raise InvalidRequest("'input' must be text: spans are of text.", param="input")
        texts = await self._read(inputs, truncate=truncate)
        labels = self.description.labels
        rows = await self._rows(texts)
        found = [spans(text, row, labels) for text, row in zip(texts, rows, strict=True)]
        return Spans(len(labels), found, _count(texts))

    async def rerank(self, query: str, documents: Sequence[str], *, truncate: bool) -> Scores:
        size = len(query) * len(documents) + sum(map(len, documents))
        texts = await self._tokens(
            size, lambda: self.reader.pairs(query, documents, truncate=truncate)
        )
        return Scores(await self._rows(texts), _count(texts))

    def snapshot(self) -> EngineSnapshot:
        lanes = self.lanes
        return EngineSnapshot(
            alive=lanes.alive,
            slots=lanes.backlog.lanes,
            batches=True,
            active=lanes.active,
            queued=len(lanes.backlog),
            cells=0,
            cells_used=0,
            context_length=self.reader.limit,
            prefill_tps=round(lanes.tokens / lanes.seconds, 2) if lanes.seconds else 0.0,
            prompt_tokens=lanes.tokens,
        )

    def close(self) -> None:
        self.aside.close()
        self.lanes.close()

    async def _read(
        self, inputs: Sequence[Input], *, truncate: bool, prompt: TextPrompt | None = None
    ) -> list[EncodedText]:
        before = prompt or TextPrompt()
        size = sum(len(given) + len(before.text) for given in inputs)
        return await self._tokens(
            size, lambda: self.reader.read(inputs, truncate=truncate, prompt=before)
        )

    def _prompt(self, name: str | None) -> TextPrompt:
        """The prompt of that name, or the model's usual one; raises InvalidRequest."""
        recipe = self.description.recipe
        if name is not None and name not in recipe.prompts:
            known = ", ".join(sorted(recipe.prompts)) or "none"
            raise InvalidRequest(
                f"'prompt_name' is {name!r}: this model's prompts are {known}.",
                param="prompt_name",
            )
        text = recipe.default_prompt if name is None else recipe.prompts[name]
        counts = recipe.pooling.include_prompt or not text
        return TextPrompt(text, 0 if counts else self.reader.length_of_prompt(text))

    async def _tokens(self, size: int, work: Callable[[], list[EncodedText]]) -> list[EncodedText]:
        """Tokenize; long texts off the event loop. Raises EngineBusy if the queue is full."""
        waiting = len(self.lanes.backlog)
        if waiting >= self.max_queue:
            raise EngineBusy(f"{waiting} texts wait for this model already.")
        return work() if size <= _SHORT else await self.aside.run(size, work)

    async def _rows(self, texts: list[EncodedText]) -> list[Any]:
        """Each text's row; cancelling drops queued texts, but a started batch runs to its end."""
        backlog = self.lanes.backlog
        reading = EncodeRequest(texts)
        begun = time.perf_counter()
        backlog.add(reading)
        try:
            rows = await reading.whole
        except asyncio.CancelledError:
            self.measures.ended["cancelled"] += 1
            raise
        finally:
            if reading.left:
                backlog.drop(reading)
        self.measures.request_seconds.add(time.perf_counter() - begun)
        self.measures.ended["stop"] += 1
        return rows

    def _check_dimensions(self, asked: int | None) -> None:
        width = self.description.width
        allowed = self.description.dimensions
        if asked is None or asked == width:
            return
        if allowed is None:
            raise UnsupportedParameter(
                f"'dimensions' other than {width} is not what this model was trained for.",
                param="dimensions",
            )
        if asked > width or (allowed and asked not in allowed):
            known = " or ".join(map(str, allowed)) if allowed else f"at most {width}"
            raise InvalidRequest(
                f"'dimensions' is {asked}: it must be {known}.", param="dimensions"
            )

    def _cut(self, row: Any, dimensions: int) -> Any:
        return (
            normalised(row[:dimensions]) if self.description.recipe.normalised else row[:dimensions]
        )


def _count(texts: list[EncodedText]) -> int:
    return sum(map(len, texts))
