"""POST /v1/embeddings: the request, and OpenAI's reply with vectors as numbers or as base64."""

from typing import Annotated, Literal, cast

import msgspec
from pydantic import BeforeValidator, Field

from modelyard.serving.wire.openai.body import WireModel

MAX_INPUTS = 2048

Input = str | tuple[int, ...]
"""A text, or its token ids."""

_ALLOWED = f"a text, a list of token ids, or a list of 1 to {MAX_INPUTS} of either; none empty"


def read_inputs(value: object) -> tuple[Input, ...]:
    """One or many inputs as a tuple; raises ValueError for anything else."""
    if isinstance(value, str) or _is_tokens(value):
        return (_input(value),)
    if not isinstance(value, list) or not 0 < len(cast("list[object]", value)) <= MAX_INPUTS:
        raise ValueError("neither an input nor a list of them")
    return tuple(_input(item) for item in cast("list[object]", value))


def _input(value: object) -> Input:
    if isinstance(value, str) and value:
        return value
    if not _is_tokens(value):
        raise ValueError("neither text nor tokens")
    return tuple(cast("list[int]", value))


def _is_tokens(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(type(item) is int and 0 <= item < 2**31 for item in cast("list[object]", value))


Inputs = Annotated[tuple[Input, ...], BeforeValidator(read_inputs), Field(description=_ALLOWED)]


class ReadingRequest(WireModel):
    """What every request to a model that reads and does not write has in common."""

    model: str = Field(default="", description="the name of a model", max_length=300)
    truncate: bool = Field(default=False, description="true or false")


class EmbeddingsRequest(ReadingRequest):
    """Texts to turn into vectors; `dimensions` fewer only where the model was trained for it.

    `prompt_name` asks for another of the model's prompts before each text than its usual one.
    """

    input: Inputs
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="'float' or 'base64'"
    )
    dimensions: int | None = Field(
        default=None, ge=1, le=65_536, description="a whole number from 1"
    )
    prompt_name: str | None = Field(
        default=None, max_length=100, description="the name of one of the model's prompts"
    )


class EmbeddingsUsage(msgspec.Struct, frozen=True):
    """Tokens read; none are generated."""

    prompt_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, tokens: int) -> "EmbeddingsUsage":
        return cls(tokens, tokens)


class Embedding(msgspec.Struct, frozen=True):
    """One input's vector: numbers, or base64 of little-endian 32-bit floats."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class EmbeddingsReply(msgspec.Struct, frozen=True):
    """The vectors in the order of the inputs."""

    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage
    object: Literal["list"] = "list"
