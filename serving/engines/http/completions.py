"""The HTTP API of a text-generation model: translate, delegate, translate back."""

from dataclasses import dataclass, replace

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from modelyard.serving.engines.aside import LONG
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.endpoints import Endpoint
from modelyard.serving.engines.engine import Engine
from modelyard.serving.engines.generation import Generation, GenerationRequest
from modelyard.serving.engines.http.answering import Answering
from modelyard.serving.engines.http.answers import AnswerFormat, ChatAnswer, CompletionAnswer
from modelyard.serving.engines.http.asks import chat_ask, completion_asks
from modelyard.serving.engines.http.connection import read_body, while_connected
from modelyard.serving.wire import headers
from modelyard.serving.wire.openai.body import read_request
from modelyard.serving.wire.openai.chat.chat import ChatRequest
from modelyard.serving.wire.openai.completion import CompletionRequest
from modelyard.serving.wire.openai.parameters import Parameters

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class EngineApi:
    """The endpoints of one loaded version."""

    engine: Engine
    config: EngineConfig

    def endpoints(self) -> dict[str, Endpoint]:
        return {"/v1/chat/completions": self.chat, "/v1/completions": self.completion}

    async def chat(self, request: Request) -> Response:
        body = await read_body(request)
        asked = read_request(ChatRequest, body)
        answer = ChatAnswer(*self._form(request, asked), scored=asked.logprobs)
        return await self._answer(request, asked, [_told(request, chat_ask(asked), body)], answer)

    async def completion(self, request: Request) -> Response:
        body = await read_body(request)
        asked = read_request(CompletionRequest, body)
        answer = CompletionAnswer(*self._form(request, asked), scored=asked.logprobs is not None)
        asks = [_told(request, ask, body) for ask in completion_asks(asked)]
        return await self._answer(request, asked, asks, answer)

    def _form(
        self, request: Request, asked: Parameters
    ) -> tuple[str, str, msgspec.UnsetType | None]:
        """The model name to echo, the version id, and the value of `usage` before it is known."""
        name = request.headers.get(headers.MODEL, self.config.model_name)
        return name, self.config.version_id, None if asked.with_usage else msgspec.UNSET

    async def _answer(
        self,
        request: Request,
        asked: Parameters,
        asks: list[GenerationRequest],
        answer: AnswerFormat,
    ) -> Response:
        preparing = self._prepared(asks)
        # A long text may have to wait: drop it if the client disconnects.
        is_long = asks[0].size >= LONG
        prompts = await (while_connected(request, preparing) if is_long else preparing)
        answering = Answering(self.engine, prompts, asked.n, answer, timed=asked.timings)
        if asked.stream:
            stream = answering.stream(
                with_usage=asked.with_usage,
                usage_so_far=asked.with_usage_so_far,
                count=headers.COUNT in request.headers,
            )
            return StreamingResponse(stream, media_type="text/event-stream", headers=_UNCACHED)
        return Response(await while_connected(request, answering.whole()), media_type=_JSON)

    async def _prepared(self, asks: list[GenerationRequest]) -> list[Generation]:
        return [await self.engine.prepare(ask) for ask in asks]


def _told(request: Request, ask: GenerationRequest, body: bytes) -> GenerationRequest:
    """Add the gateway's headers to the request: tenant and adapter."""
    given = request.headers
    tenant = given.get(headers.TENANT, "")
    adapter = given.get(headers.ADAPTER, "")
    return replace(ask, tenant=tenant, adapter=adapter, size=len(body))


_UNCACHED = {"cache-control": "no-cache", "x-accel-buffering": "no"}
