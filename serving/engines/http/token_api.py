"""POST /tokenize and /detokenize, for clients that count tokens."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from modelyard.serving.engines.endpoints import Endpoint
from modelyard.serving.engines.engine import LoadedModel
from modelyard.serving.engines.http.connection import read_body, while_connected
from modelyard.serving.wire.openai.body import read_request
from modelyard.serving.wire.openai.chat.messages import ChatMessage
from modelyard.serving.wire.openai.tokens import (
    DetokenizeReply,
    DetokenizeRequest,
    TokenizeReply,
    TokenizeRequest,
)


class Tokenizing(LoadedModel, Protocol):
    """A model with a known tokenizer; `spelled` is thread-safe."""

    async def tokenize(
        self, prompt: str | tuple[ChatMessage, ...], *, begin: bool, size: int
    ) -> list[int]:
        """The tokens of a prompt from a request of `size` bytes; raises InvalidRequest."""
        ...

    def spelled(self, tokens: list[int]) -> list[bytes]:
        """Each token's bytes, control tokens by name; raises InvalidRequest for unknown ones."""
        ...


@dataclass(frozen=True, slots=True)
class TokenApi:
    """The two endpoints of a model with a known tokenizer."""

    model: Tokenizing

    def endpoints(self) -> dict[str, Endpoint]:
        return {"/tokenize": self.tokenize, "/detokenize": self.detokenize}

    async def tokenize(self, request: Request) -> Response:
        body = await read_body(request)
        asked = read_request(TokenizeRequest, body)
        prompt = asked.messages if asked.prompt is None else asked.prompt
        begin = asked.add_special_tokens is not False
        reading = self.model.tokenize(prompt or "", begin=begin, size=len(body))
        tokens = await while_connected(request, reading)
        pieces = self.model.spelled(tokens) if asked.return_token_strs else []
        strings = [piece.decode("utf-8", "replace") for piece in pieces] or None
        context_length = self.model.snapshot().context_length
        return _json(TokenizeReply(len(tokens), context_length, tokens, strings))

    async def detokenize(self, request: Request) -> Response:
        asked = read_request(DetokenizeRequest, await read_body(request))
        pieces = await asyncio.to_thread(self.model.spelled, asked.tokens)
        return _json(DetokenizeReply(b"".join(pieces).decode("utf-8", "replace")))


def _json(reply: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(reply), media_type="application/json")
