"""A model that reads a text and returns every token's logits, a block at a time."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from modelyard.serving.engines.llama_cpp.batch import Batch
from modelyard.serving.engines.llama_cpp.model.binding import (
    ContextShape,
    LlamaContext,
    LlamaModel,
    Logits,
)
from modelyard.serving.engines.llama_cpp.model.header import read_header
from modelyard.serving.engines.llama_cpp.tokenizer.vocabulary import Vocabulary
from modelyard.serving.errors import EngineFailed

_BLOCK = 64  # tokens whose logits are in memory at once


@dataclass(slots=True)
class TextModel:
    """One model with one sequence; `seconds` and `tokens` measure its reading speed."""

    model: LlamaModel
    vocabulary: Vocabulary
    context: LlamaContext
    load_s: float
    memory_bytes: int
    seconds: float = 0.0
    tokens: int = 0
    _batch: Batch = field(default_factory=lambda: Batch(_BLOCK))

    @classmethod
    def open(cls, path: Path, *, length: int, threads: int) -> "TextModel":
        """Load for texts of up to `length` tokens; raises ModelUnloadable with the reason."""
        begun = time.monotonic()
        before = _memory()
        read_header(path)
        model = LlamaModel.load(str(path))
        shape = ContextShape(length, sequences=1, batch=_BLOCK, threads=threads, outputs=_BLOCK)
        context = LlamaContext(model, shape)
        opened = cls(model, Vocabulary.of(model), context, time.monotonic() - begun, 0)
        opened._warm()
        opened.memory_bytes = max(_memory() - before, path.stat().st_size)
        return opened

    def read(self, tokens: list[int]) -> Iterator[Logits]:
        """Read from the start; each block's logits (tokens x vocabulary) last until the next."""
        self.context.forget(0)
        for start in range(0, len(tokens), _BLOCK):
            block = tokens[start : start + _BLOCK]
            self._decode(block, start)
            yield self.context.logits(len(block))

    def close(self) -> None:
        self.context.close()
        self.model.close()

    def _decode(self, block: list[int], start: int) -> None:
        begun = time.perf_counter()
        self._batch.clear()
        self._batch.add(0, block, start, wanted=True, every=True)
        if code := self.context.decode(self._batch.native):
            raise EngineFailed(f"llama.cpp refused a batch (code {code}).")
        self.seconds += time.perf_counter() - begun
        self.tokens += len(block)

    def _warm(self) -> None:
        self._decode([max(self.vocabulary.begin, 0)], 0)
        self.seconds = 0.0
        self.tokens = 0


def _memory() -> int:
    return psutil.Process().memory_info().rss
