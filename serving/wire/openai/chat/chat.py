"""POST /v1/chat/completions: the request, the whole reply and the stream's chunks."""

from typing import Annotated, Literal

import msgspec
from pydantic import BeforeValidator, Field, model_validator

from modelyard.serving.errors import InvalidRequest
from modelyard.serving.wire.openai.chat.messages import MAX_MESSAGES, ChatMessage, read_messages
from modelyard.serving.wire.openai.chat.response_format import JsonForm, read_format
from modelyard.serving.wire.openai.chat.tools import (
    AUTO,
    Tool,
    ToolChoice,
    check_choice,
    read_choice,
    read_tools,
)
from modelyard.serving.wire.openai.logprobs import MAX_TOP, ChatLogprobs
from modelyard.serving.wire.openai.parameters import Parameters
from modelyard.serving.wire.openai.timings import Timings
from modelyard.serving.wire.openai.usage import Usage


class ChatRequest(Parameters):
    """A conversation to continue."""

    messages: Annotated[tuple[ChatMessage, ...], BeforeValidator(read_messages)] = Field(
        description=f"a list of 1 to {MAX_MESSAGES} messages"
    )
    max_completion_tokens: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="a whole number from 1"
    )

    logprobs: bool = Field(default=False, description="true or false")
    top_logprobs: int | None = Field(
        default=None, ge=0, le=MAX_TOP, description=f"a whole number from 0 to {MAX_TOP}"
    )

    response_format: Annotated[JsonForm | None, BeforeValidator(read_format)] = Field(
        default=None, description="an object with type"
    )

    tools: Annotated[tuple[Tool, ...], BeforeValidator(read_tools)] = Field(
        default=(), description="a list of functions"
    )
    tool_choice: Annotated[ToolChoice, BeforeValidator(read_choice)] = Field(
        default=AUTO, description="none, auto, required, or an object that names a function"
    )
    parallel_tool_calls: bool = Field(default=True, description="true or false")

    @model_validator(mode="after")
    def _an_end_where_a_form_has_one(self) -> "ChatRequest":
        if self.ignore_eos and (self.callable_tools or self.response_format is not None):
            raise InvalidRequest(
                "'ignore_eos' cannot be kept to together with 'tools' or 'response_format'.",
                param="ignore_eos",
            )
        return self

    @model_validator(mode="after")
    def _something_to_choose(self) -> "ChatRequest":
        check_choice(self.tools, self.tool_choice)
        if self.callable_tools and self.response_format is not None:
            raise InvalidRequest(
                "'response_format' cannot be kept to together with 'tools'.",
                param="response_format",
                fix="Set 'tool_choice' to 'none' where an answer is wanted.",
            )
        return self

    @property
    def callable_tools(self) -> tuple[Tool, ...]:
        """The tools that the model sees."""
        if self.tool_choice.name is not None:
            return tuple(t for t in self.tools if t.name == self.tool_choice.name)
        return () if self.tool_choice.mode == "none" else self.tools

    @model_validator(mode="after")
    def _top_of_what(self) -> "ChatRequest":
        if self.top_logprobs is not None and not self.logprobs:
            raise InvalidRequest(
                "'top_logprobs' is only allowed with 'logprobs': true.", param="top_logprobs"
            )
        return self

    @model_validator(mode="after")
    def _one_limit(self) -> "ChatRequest":
        limits = {self.max_tokens, self.max_completion_tokens} - {None}
        if len(limits) > 1:
            raise InvalidRequest(
                "'max_tokens' and 'max_completion_tokens' differ: send one of them.",
                param="max_completion_tokens",
            )
        return self

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class CalledFunction(msgspec.Struct, frozen=True, omit_defaults=True):
    """The function called, and its arguments as JSON; in a stream either may come later."""

    arguments: str
    name: str | None = None


class CallReply(msgspec.Struct, frozen=True):
    """A tool call that the model makes."""

    id: str
    function: CalledFunction
    type: Literal["function"] = "function"


class CallDelta(msgspec.Struct, frozen=True, omit_defaults=True):
    """The next piece of a call; only the first has `id` and `type`."""

    index: int
    function: CalledFunction
    id: str | None = None
    type: str | None = None


class ReplyMessage(msgspec.Struct, frozen=True):
    """The model's answer: text, calls, or both."""

    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: None = None
    tool_calls: list[CallReply] | msgspec.UnsetType = msgspec.UNSET


class ChatChoice(msgspec.Struct, frozen=True):
    """One of `n` answers, and why it ended: `stop`, `length` or `tool_calls`."""

    message: ReplyMessage
    finish_reason: str
    index: int = 0
    logprobs: ChatLogprobs | None = None


class ChatReply(msgspec.Struct, frozen=True):
    """A whole answer."""

    id: str
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    object: Literal["chat.completion"] = "chat.completion"
    system_fingerprint: str | None = None
    timings: Timings | msgspec.UnsetType = msgspec.UNSET


class ChatDelta(msgspec.Struct, frozen=True, omit_defaults=True):
    """The part of the answer that a chunk adds."""

    role: str | None = None
    content: str | None = None
    tool_calls: list[CallDelta] | None = None


class ChatChunkChoice(msgspec.Struct, frozen=True):
    """The next piece of one answer."""

    delta: ChatDelta
    finish_reason: str | None = None
    index: int = 0
    logprobs: ChatLogprobs | None = None


class ChatChunk(msgspec.Struct, frozen=True):
    """One event of a stream; the last one has `usage` if the request asked for it."""

    id: str
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: Usage | msgspec.UnsetType | None = msgspec.UNSET
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    system_fingerprint: str | None = None
    timings: Timings | msgspec.UnsetType = msgspec.UNSET
