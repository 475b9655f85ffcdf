"""POST /v1/completions: the request, and the reply that is also the stream's chunk."""

from typing import Annotated, Literal, cast

import msgspec
from pydantic import BeforeValidator, Field, model_validator

from modelyard.serving.errors import InvalidRequest
from modelyard.serving.wire.openai.logprobs import MAX_TOP, CompletionLogprobs
from modelyard.serving.wire.openai.parameters import Parameters
from modelyard.serving.wire.openai.timings import Timings
from modelyard.serving.wire.openai.usage import Usage

Prompt = str | tuple[int, ...]


MAX_ANSWERS = 128
"""Most answers to one request: the number of prompts times `n`."""


def _prompts(value: object) -> tuple[Prompt, ...]:
    """Prompts as a tuple, from a text, token ids, a list of texts or a list of token id lists."""
    if isinstance(value, str):
        return (value,)
    items = _items(value)
    if all(isinstance(item, str) for item in items):
        return tuple(cast("list[str]", items))
    return tuple(map(_tokens, items)) if isinstance(items[0], list) else (_tokens(items),)


def _tokens(value: object) -> tuple[int, ...]:
    items = _items(value)
    if not all(type(item) is int and 0 <= item < 2**31 for item in items):
        raise ValueError("not token ids")
    return tuple(cast("list[int]", items))


def _items(value: object) -> list[object]:
    if not isinstance(value, list) or not value:
        raise ValueError("not a list with something in it")
    return cast("list[object]", value)


class CompletionRequest(Parameters):
    """Texts to continue, as texts or as token ids."""

    prompt: Annotated[tuple[Prompt, ...], BeforeValidator(_prompts)] = Field(
        description="a string, a list of token ids, or a list of either"
    )
    max_tokens: int | None = Field(
        default=None, ge=0, le=2**31 - 1, description="a whole number from 1, with 'echo' from 0"
    )
    echo: bool = Field(default=False, description="true or false")
    logprobs: int | None = Field(
        default=None, ge=0, le=MAX_TOP, description=f"a whole number from 0 to {MAX_TOP}"
    )

    @model_validator(mode="after")
    def _not_too_many(self) -> "CompletionRequest":
        if len(self.prompt) * self.n > MAX_ANSWERS:
            raise InvalidRequest(
                f"'prompt' has {len(self.prompt)} prompts, which with 'n' {self.n} are"
                f" {len(self.prompt) * self.n} answers: at most {MAX_ANSWERS} are allowed.",
                param="prompt",
            )
        return self

    @model_validator(mode="after")
    def _something_to_say(self) -> "CompletionRequest":
        if self.max_tokens == 0 and not self.echo:
            raise InvalidRequest(
                "'max_tokens' is 0: it must be a whole number from 1, with 'echo' from 0.",
                param="max_tokens",
            )
        return self


class CompletionChoice(msgspec.Struct, frozen=True):
    """One of `n` continuations, or its next piece."""

    text: str
    finish_reason: str | None = None
    index: int = 0
    logprobs: CompletionLogprobs | None = None


class CompletionReply(msgspec.Struct, frozen=True):
    """A whole continuation, or one event of a stream."""

    id: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | msgspec.UnsetType | None = msgspec.UNSET
    object: Literal["text_completion"] = "text_completion"
    system_fingerprint: str | None = None
    timings: Timings | msgspec.UnsetType = msgspec.UNSET
