"""The interface of encoder engines: vectors, labels, spans, scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from modelyard.serving.engines.engine import LoadedModel
from modelyard.serving.wire.openai.encoders.embeddings import Input


class Task(StrEnum):
    """The task an encoder model was trained for."""

    EMBED = "embed"
    CLASSIFY = "classify"
    TOKEN_CLASSIFY = "token_classify"  # noqa: S105  a kind, no password
    RERANK = "rerank"


@dataclass(frozen=True, slots=True)
class LabelledSpan:
    """A labelled part of a text, by character offsets."""

    label: str
    score: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Vectors:
    """One vector per input, as little-endian 32-bit floats, and the number of tokens read."""

    rows: list[bytes]
    tokens: int


@dataclass(frozen=True, slots=True)
class Labels:
    """The probability of each label for each input, labels in the model's order."""

    labels: tuple[str, ...]
    rows: list[list[float]]
    tokens: int


@dataclass(frozen=True, slots=True)
class Spans:
    """The labelled spans of each input; `classes` is the model's number of labels."""

    classes: int
    rows: list[list[LabelledSpan]]
    tokens: int


@dataclass(frozen=True, slots=True)
class Scores:
    """One score per document."""

    rows: list[float]
    tokens: int


class EmbeddingModel(LoadedModel, Protocol):
    """A model that embeds texts; raises the same errors as an Encoder."""

    async def embed(
        self,
        inputs: Sequence[Input],
        *,
        dimensions: int | None,
        truncate: bool,
        prompt_name: str | None = None,
    ) -> Vectors: ...


class Encoder(EmbeddingModel, Protocol):
    """One loaded model; only the method of its `task` works.

    An input that is too long raises ContextLengthExceeded, or is cut with `truncate`. All methods
    raise EngineBusy and EngineFailed; cancelling a call removes unstarted texts from the queue.
    """

    @property
    def task(self) -> Task: ...

    async def classify(self, inputs: Sequence[Input], *, truncate: bool) -> Labels: ...

    async def mark(self, inputs: Sequence[Input], *, truncate: bool) -> Spans: ...

    async def rerank(self, query: str, documents: Sequence[str], *, truncate: bool) -> Scores: ...
