"""The HTTP face of a model that writes: translate, delegate, translate back."""

from dataclasses import dataclass, replace

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from serving.engines.answering import Answering
from serving.engines.answers import Answer, ChatAnswer, CompletionAnswer
from serving.engines.asks import chat_ask, completion_asks
from serving.engines.config import EngineConfig
from serving.engines.connection import read_body, while_connected
from serving.engines.engine import Engine
from serving.engines.generation import Ask
from serving.engines.offer import Endpoint
from serving.wire import headers
from serving.wire.body import read_request
from serving.wire.chat import ChatRequest
from serving.wire.completion import CompletionRequest
from serving.wire.parameters import Parameters

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class EngineApi:
    """The endpoints of one loaded version."""

    engine: Engine
    config: EngineConfig

    def endpoints(self) -> dict[str, Endpoint]:
        return {"/v1/chat/completions": self.chat, "/v1/completions": self.completion}

    async def chat(self, request: Request) -> Response:
        asked = read_request(ChatRequest, await read_body(request))
        answer = ChatAnswer(*self._form(request, asked), scored=asked.logprobs)
        return await self._answer(request, asked, [chat_ask(asked)], answer)

    async def completion(self, request: Request) -> Response:
        asked = read_request(CompletionRequest, await read_body(request))
        answer = CompletionAnswer(*self._form(request, asked), scored=asked.logprobs is not None)
        return await self._answer(request, asked, completion_asks(asked), answer)

    def _form(
        self, request: Request, asked: Parameters
    ) -> tuple[str, str, msgspec.UnsetType | None]:
        """The name to echo, the version, and what stands for usage before it is known."""
        name = request.headers.get(headers.MODEL, self.config.model_name)
        return name, self.config.version_id, None if asked.with_usage else msgspec.UNSET

    async def _answer(
        self, request: Request, asked: Parameters, asks: list[Ask], answer: Answer
    ) -> Response:
        told = _told(request)
        prompts = [await self.engine.prepare(replace(ask, **told)) for ask in asks]
        answering = Answering(self.engine, prompts, asked.n, answer, timed=asked.timings)
        if asked.stream:
            stream = answering.stream(
                with_usage=asked.with_usage,
                usage_so_far=asked.with_usage_so_far,
                count=headers.COUNT in request.headers,
            )
            return StreamingResponse(stream, media_type="text/event-stream", headers=_UNCACHED)
        return Response(await while_connected(request, answering.whole()), media_type=_JSON)


def _told(request: Request) -> dict[str, str]:
    """What the gateway says beside the body: for whom, and under which adapter."""
    given = request.headers
    return {"tenant": given.get(headers.TENANT, ""), "adapter": given.get(headers.ADAPTER, "")}


_UNCACHED = {"cache-control": "no-cache", "x-accel-buffering": "no"}
