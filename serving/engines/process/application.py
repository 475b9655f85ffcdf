"""The HTTP application of an engine process: its model's endpoints, state and errors."""

import os
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field

import psutil
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from modelyard.registry.errors import ModelyardError
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.endpoints import ENDPOINTS, Endpoint
from modelyard.serving.engines.engine import LoadedModel
from modelyard.serving.engines.process.guard import InternalGuard
from modelyard.serving.engines.process.loop_lag import LoopLag
from modelyard.serving.engines.process.metrics import CONTENT_TYPE, EngineMetrics
from modelyard.serving.errors import InvalidRequest, UnsupportedEndpoint
from modelyard.serving.wire.errors import error_bytes, status_of

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class EngineApplication:
    """One loaded version, protected by the internal token."""

    model: LoadedModel
    config: EngineConfig
    offered: Mapping[str, Endpoint]
    load_s: float = 0.0
    started: float = field(default_factory=time.monotonic)
    lag: LoopLag = field(default_factory=LoopLag)

    def build(self) -> Starlette:
        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
            async with self.lag.watched():
                yield
            self.model.close()

        work = [
            Route(p, self.offered.get(p, self.unsupported), methods=["POST"]) for p in ENDPOINTS
        ]
        return Starlette(
            routes=[
                *work,
                Route("/state", self.state),
                Route("/metrics", self.metrics),
                Route("/health", self.health),
            ],
            middleware=[Middleware(InternalGuard, token=self.config.internal_token)],
            exception_handlers={
                ModelyardError: self.refused,
                HTTPException: _not_here,
                ClientDisconnect: _gone,
            },
            lifespan=lifespan,
        )

    async def unsupported(self, request: Request) -> Response:
        path = request.url.path
        raise UnsupportedEndpoint(
            f"{path} needs {ENDPOINTS[path]}; {self.config.model_name} is none.",
            fix=f"It answers {' and '.join(self.offered)}.",
        )

    async def health(self, request: Request) -> Response:
        alive = self.model.snapshot().alive
        status = {"status": "ready" if alive else "failed", "version_id": self.config.version_id}
        return JSONResponse(status, 200 if alive else 503)

    async def metrics(self, request: Request) -> Response:
        return Response(EngineMetrics(self.model, self.load_s).text(), media_type=CONTENT_TYPE)

    async def refused(self, _request: Request, error: Exception) -> Response:
        assert isinstance(error, ModelyardError)  # noqa: S101  registered for this class only
        self.model.measures.errors[error.code] += 1
        status = status_of(error)
        headers = {"retry-after": "1"} if status == 503 else None
        return Response(error_bytes(error), status, headers, _JSON)

    async def state(self, request: Request) -> Response:
        known = {
            "version_id": self.config.version_id,
            "model": self.config.model_name,
            "format": self.config.format,
            "pid": os.getpid(),
            "rss": psutil.Process().memory_info().rss,
            "uptime_s": round(time.monotonic() - self.started, 3),
            "loop_lag_p99_ms": self.lag.p99_ms,
            "paces": self.model.measures.paces.as_json(),
        }
        return JSONResponse(known | asdict(self.model.snapshot()))


async def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class only
    wrong = InvalidRequest(f"{request.method} {request.url.path}: {error.detail}.")
    return Response(error_bytes(wrong), error.status_code, media_type=_JSON)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads this; the log has the reason
