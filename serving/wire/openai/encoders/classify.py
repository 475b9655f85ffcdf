"""POST /v1/classify: a label for each text, or for spans inside it, in vLLM's format."""

from typing import Literal

import msgspec

from modelyard.serving.wire.openai.encoders.embeddings import (
    EmbeddingsUsage,
    Inputs,
    ReadingRequest,
)


class ClassifyRequest(ReadingRequest):
    """Texts to put labels to."""

    input: Inputs


class Classified(msgspec.Struct, frozen=True):
    """A text's likeliest label, and the probability of each label in the model's order."""

    index: int
    label: str
    probs: list[float]
    num_classes: int


class Entity(msgspec.Struct, frozen=True):
    """A labelled span: characters `start` up to, not including, `end` of the input."""

    label: str
    score: float
    text: str
    start: int
    end: int


class Marked(msgspec.Struct, frozen=True):
    """The labelled spans of one text, in text order."""

    index: int
    entities: list[Entity]
    num_classes: int


class ClassifyReply(msgspec.Struct, frozen=True):
    """The labels in the order of the inputs."""

    id: str
    created: int
    model: str
    data: list[Classified] | list[Marked]
    usage: EmbeddingsUsage
    object: Literal["list"] = "list"
