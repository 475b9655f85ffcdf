"""Formats an engine's deltas as OpenAI replies and stream chunks, for chat and for text."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from modelyard.serving.engines.generation import Delta
from modelyard.serving.engines.http.scores import chat_logprobs
from modelyard.serving.engines.http.tally import ChoiceUsage
from modelyard.serving.engines.tool_calls.saying import call_deltas, whole_calls
from modelyard.serving.wire.openai.chat.chat import (
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    ChatDelta,
    ChatReply,
    ReplyMessage,
)
from modelyard.serving.wire.openai.completion import CompletionChoice, CompletionReply
from modelyard.serving.wire.openai.usage import Usage


class AnswerFormat(Protocol):
    """One answer format: whole, or chunk by chunk."""

    def whole(self, tallies: Sequence[ChoiceUsage], usage: Usage) -> msgspec.Struct: ...

    def first(self, index: int) -> msgspec.Struct | None: ...

    def chunk(self, index: int, delta: Delta, tally: ChoiceUsage) -> msgspec.Struct: ...

    def last(self, usage: Usage | None) -> msgspec.Struct: ...


@dataclass(frozen=True, slots=True)
class Heading:
    """The fields common to all formats; `none_yet` is null if usage was requested."""

    model: str
    fingerprint: str
    none_yet: msgspec.UnsetType | None = msgspec.UNSET
    scored: bool = False
    created: int = field(default_factory=lambda: int(time.time()))


@dataclass(frozen=True, slots=True)
class ChatAnswer(Heading):
    """An answer to /v1/chat/completions."""

    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")

    def whole(self, tallies: Sequence[ChoiceUsage], usage: Usage) -> ChatReply:
        return ChatReply(
            self.id,
            self.created,
            self.model,
            [self._choice(index, tally) for index, tally in enumerate(tallies)],
            usage,
            system_fingerprint=self.fingerprint,
        )

    def first(self, index: int) -> ChatChunk:
        opening = ChatDelta(role="assistant", content="")
        return self._chunk([ChatChunkChoice(opening, index=index)], self.none_yet)

    def chunk(self, index: int, delta: Delta, tally: ChoiceUsage) -> ChatChunk:
        piece = ChatDelta(content=delta.text or None, tool_calls=call_deltas(delta.calls) or None)
        scores = chat_logprobs(delta.scores) if self.scored else None
        choice = ChatChunkChoice(piece, delta.finish, index, scores)
        return self._chunk([choice], self.none_yet)

    def last(self, usage: Usage | None) -> ChatChunk:
        return self._chunk([], usage or self.none_yet)

    def _choice(self, index: int, tally: ChoiceUsage) -> ChatChoice:
        scores = chat_logprobs(tally.scores) if self.scored else None
        calls = whole_calls(tally.calls)
        message = ReplyMessage(tally.text or None if calls else tally.text)
        if calls:
            message = msgspec.structs.replace(message, tool_calls=calls)
        return ChatChoice(message, tally.reason, index, scores)

    def _chunk(
        self, choices: list[ChatChunkChoice], usage: Usage | msgspec.UnsetType | None
    ) -> ChatChunk:
        return ChatChunk(
            self.id,
            self.created,
            self.model,
            choices,
            usage,
            system_fingerprint=self.fingerprint,
        )


@dataclass(frozen=True, slots=True)
class CompletionAnswer(Heading):
    """An answer to /v1/completions."""

    id: str = field(default_factory=lambda: f"cmpl-{secrets.token_hex(12)}")

    def whole(self, tallies: Sequence[ChoiceUsage], usage: Usage) -> CompletionReply:
        choices = [self._choice(index, tally) for index, tally in enumerate(tallies)]
        return self._reply(choices, usage)

    def first(self, index: int) -> None:
        return None

    def chunk(self, index: int, delta: Delta, tally: ChoiceUsage) -> CompletionReply:
        scores = tally.offsets.logprobs(delta.scores) if self.scored else None
        choice = CompletionChoice(delta.text, delta.finish, index, scores)
        return self._reply([choice], self.none_yet)

    def last(self, usage: Usage | None) -> CompletionReply:
        return self._reply([], usage or self.none_yet)

    def _choice(self, index: int, tally: ChoiceUsage) -> CompletionChoice:
        scores = tally.offsets.logprobs(tally.scores) if self.scored else None
        return CompletionChoice(tally.text, tally.reason, index, scores)

    def _reply(
        self, choices: list[CompletionChoice], usage: Usage | msgspec.UnsetType | None
    ) -> CompletionReply:
        return CompletionReply(
            self.id,
            self.created,
            self.model,
            choices,
            usage,
            system_fingerprint=self.fingerprint,
        )
