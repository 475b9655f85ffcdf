"""The plainest honest proxies to compare with.

`python -m benchmarks.gateway.floor NAME PORT UPSTREAM` runs one:
`fastapi`: FastAPI, pydantic, aiohttp: what most would write. `bare`: our own fast path with
nothing of the policy: no authentication, no limits, no catalog, no usage, no log.
"""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard.serving.transport.listening.connections import Connections
from modelyard.serving.transport.listening.serve import bounded
from modelyard.serving.transport.protocol import GatewayProtocol
from modelyard.serving.upstream.client import Upstream
from modelyard.serving.upstream.stream import begin
from modelyard.serving.upstream.target import Target
from modelyard.serving.wire.openai.request_head import read_head

PATH = "/v1/chat/completions"
_JSON = "application/json"


class FloorMessage(BaseModel):
    """A message as clients send it."""

    role: str
    content: str | list[Any] | None = None


class FloorRequest(BaseModel):
    """A request as clients send it."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[FloorMessage]
    stream: bool = False


def fastapi_proxy(upstream: str) -> FastAPI:
    sessions: list[aiohttp.ClientSession] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        async with aiohttp.ClientSession(connector=connector) as session:
            sessions.append(session)
            yield

    app = FastAPI(lifespan=lifespan)

    async def events(body: bytes) -> AsyncGenerator[bytes]:
        async with sessions[0].post(upstream + PATH, data=body, headers=_TYPE) as response:
            async for chunk in response.content.iter_any():
                yield chunk

    @app.post(PATH)
    async def chat(ask: FloorRequest) -> Response:
        body = msgspec.json.encode(ask.model_dump(exclude_unset=True))
        if ask.stream:
            return StreamingResponse(events(body), media_type="text/event-stream")
        async with sessions[0].post(upstream + PATH, data=body, headers=_TYPE) as response:
            return Response(await response.read(), response.status, media_type=_JSON)

    return app


_TYPE = {"Content-Type": _JSON}


def bare_proxy(upstream: str) -> ASGIApp:
    target = Target("version", "device", upstream)
    opened: list[Upstream] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        async with Upstream.open("token", silent_s=60) as session:
            opened.append(session)
            yield

    app = FastAPI(lifespan=lifespan)

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await app(scope, receive, send)
            return
        body = (await receive())["body"]
        read_head(body)
        reply = await begin(await opened[0].post(target, PATH, body, ()))
        headers = [(b"content-type", reply.response.content_type)]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if reply.streamed:
            while chunk := await reply.next():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "http.response.body", "body": reply.first})
        reply.close()

    return bare


if __name__ == "__main__":
    name, port, upstream = sys.argv[1:]
    chosen = {"fastapi": fastapi_proxy, "bare": bare_proxy}[name](upstream)
    if name == "bare":
        config = bounded(chosen, Connections(), GatewayProtocol, port=int(port))
    else:
        config = uvicorn.Config(
            chosen, port=int(port), log_level="error", access_log=False, backlog=4096
        )
    uvicorn.Server(config).run()
