"""The ASGI application: its routes and the middleware before them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from modelyard.registry.web.origins import Pages
from modelyard.serving.api import problems
from modelyard.serving.api.documents import completed
from modelyard.serving.api.inference.endpoint import PATHS, InferenceEndpoint
from modelyard.serving.api.middleware.authentication import AuthMiddleware
from modelyard.serving.api.middleware.body_limit import BodyLimit
from modelyard.serving.api.middleware.request_id import RequestIdMiddleware
from modelyard.serving.api.notices import event_stream, socket, tickets
from modelyard.serving.api.routes import (
    card_search,
    device_history,
    device_orders,
    devices,
    explain,
    health,
    openai_models,
    promotions,
    registered,
    run_orders,
    traffic,
    unloads,
    usage,
)
from modelyard.serving.api.routes.batches import batches, files, listing, route_batch
from modelyard.serving.api.routes.people import account, keys, quotas, users
from modelyard.serving.api.routes.requests import callbacks, following, metrics, submitting
from modelyard.serving.observability.request_record import RequestStats
from modelyard.serving.wire.priority import PRIORITY
from modelyard.serving.wire.rate_headers import RATE_HEADERS

ABOUT = "Models from Hugging Face, checked and served. Every route needs `Authorization: Bearer`."

_ROOMS = (
    account,
    batches,
    files,
    route_batch,
    listing,
    devices,
    device_history,
    device_orders,
    explain,
    registered,
    card_search,
    promotions,
    unloads,
    run_orders,
    quotas,
    openai_models,
    usage,
    traffic,
    users,
    keys,
    health,
    tickets,
    event_stream,
    socket,
    submitting,
    following,
    metrics,
    callbacks,
)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class GatewayApplication(FastAPI):
    """FastAPI for every route except requests to models, which bypass it.

    What every other answer gets, `rest` adds outside of FastAPI: an answer to an unexpected
    exception is made by FastAPI's outermost layer, and would miss what its own middleware adds.
    HEAD is answered as GET; the server leaves the body out.
    """

    hot: ASGIApp
    rest: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in PATHS and scope["method"] == "POST":
            await self.hot(scope, receive, send)
        else:
            is_head = scope["type"] == "http" and scope["method"] == "HEAD"
            await self.rest({**scope, "method": "GET"} if is_head else scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = completed(super().openapi())
        return self.openapi_schema

    async def framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)


def build_app(
    lifespan: Lifespan, counted: RequestStats, origins: Sequence[str], host: str
) -> GatewayApplication:
    """Build routes and middleware; `lifespan` puts the `Services` into `app.state.services`.

    Web pages from `origins` may call the API from a browser; `host` is the listening address.
    """
    pages = Pages.of(host, origins)
    app = GatewayApplication(
        title="Modelyard",
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,  # it would run a third party's scripts on a page where keys are typed
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(AuthMiddleware, pages=pages), Middleware(BodyLimit)],
    )
    hot = InferenceEndpoint(app.state, counted, pages)
    app.hot = _cors(hot, origins=origins) if origins else hot
    rest = _cors(app.framework, origins=origins) if origins else app.framework
    app.rest = RequestIdMiddleware(rest, counted)
    app.router.routes.extend(Route(path, app.hot, methods=["POST"]) for path in sorted(PATHS))
    for room in _ROOMS:
        app.include_router(room.router)
    problems.install(app)
    return app


def _cors(app: ASGIApp, *, origins: Sequence[str]) -> CORSMiddleware:
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "X-Request-Id", "Last-Event-ID", PRIORITY],
        expose_headers=[
            "X-Request-Id",
            "X-Modelyard-Version",
            "X-Modelyard-Explain",
            "Retry-After",
            *RATE_HEADERS,
        ],
    )
