"""`modelyard dispatcher`: a process that hands queued requests to engines, apart from gateways."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.database import Database
from modelyard.registry.fleet.fleet import Fleet
from modelyard.registry.identity.identity import internal_token, secret_key
from modelyard.registry.installation import open_database
from modelyard.registry.secrets import metrics_token
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.admission.open import open_gate
from modelyard.serving.engines.process.guard import InternalGuard
from modelyard.serving.gateway.queries import Queries
from modelyard.serving.jobs.dispatch.dispatching import JobDispatcher
from modelyard.serving.joining import (
    dispatcher_of,
    dispatching,
    gateway_of,
    ledger_at_work,
    queue_of,
    sharing,
)
from modelyard.serving.observability.prometheus import Metrics
from modelyard.serving.settings import GatewaySettings
from modelyard.serving.shared_cache import SharedCache
from modelyard.serving.upstream.client import Upstream
from modelyard.serving.worker.server import ControlServer, listen

METRICS = "/metrics"
LIVE = "/health/live"
READY = "/health/ready"


@dataclass(frozen=True, slots=True)
class DispatcherDoor:
    """Its routes for Prometheus and for whoever looks whether it lives; both have a token."""

    dispatcher: JobDispatcher
    metrics: Metrics
    token: str = field(repr=False)
    metrics_token: str = field(repr=False)

    def app(self) -> Starlette:
        also: dict[str, str] = dict.fromkeys((METRICS, LIVE, READY), self.metrics_token)
        return Starlette(
            routes=[
                Route(METRICS, self.series),
                Route(LIVE, self.live),
                Route(READY, self.ready),
            ],
            middleware=[Middleware(InternalGuard, token=self.token, also=also)],
        )

    async def series(self, _: Request) -> Response:
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def live(self, _: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(self, _: Request) -> Response:
        """200 while it can read the queue, else 503."""
        is_ready = self.dispatcher.is_reading
        told = {"status": "ready" if is_ready else "unready"}
        return JSONResponse(told, 200 if is_ready else 503)


def run(
    settings: GatewaySettings, registry: RegistrySettings, host: str, ready: Callable[[str], None]
) -> None:
    """Dispatch until SIGTERM or SIGINT; `ready` is told the URL once it does."""
    asyncio.run(_work(settings, registry, host, ready))


async def _work(
    settings: GatewaySettings, registry: RegistrySettings, host: str, ready: Callable[[str], None]
) -> None:
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    listener, url = listen(host, settings.dispatcher_port)
    with listener:
        async with _at_work(settings, registry) as door:
            server = ControlServer(door.app())
            serving = asyncio.create_task(server.serve_on(listener))
            ready(url)
            ended: set[asyncio.Task[Any]] = {serving, asyncio.create_task(ending.wait())}
            await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving


@asynccontextmanager
async def _at_work(
    settings: GatewaySettings, registry: RegistrySettings
) -> AsyncGenerator[DispatcherDoor]:
    """Everything between the queue and the engines, while the block runs."""
    key = secret_key(registry)
    database = await asyncio.to_thread(open_database, registry)
    try:
        async with _dispatching(settings, registry, database, key) as door:
            yield door
    finally:
        database.close()


@asynccontextmanager
async def _dispatching(
    settings: GatewaySettings, registry: RegistrySettings, database: Database, key: str
) -> AsyncGenerator[DispatcherDoor]:
    redis_url = registry.redis_url.get_secret_value()
    metrics = Metrics()
    async with (
        Upstream.open(internal_token(key), silent_s=settings.answer_timeout_s) as upstream,
        aclosing(SharedCache.at(redis_url)) as cache,
        open_gate(settings, database, redis_url) as gate,
        ledger_at_work(settings, registry, database) as ledger,
    ):
        queries = Queries(cache, Catalog(database), Fleet(database))
        gateway = gateway_of(settings, gate, queries, upstream=upstream, ledger=ledger)
        queue = queue_of(settings, database)
        dispatcher = dispatcher_of(database, queue, registry, gateway=gateway, metrics=metrics)
        async with (
            sharing(gateway.router, gate, redis_url),
            dispatching(settings, registry, database, dispatcher, metrics=metrics),
        ):
            yield DispatcherDoor(dispatcher, metrics, internal_token(key), metrics_token(registry))
