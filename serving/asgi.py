"""The gateway as an ASGI application: settings are read and the rooms are joined here."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext

from fastapi import FastAPI

from registry.catalog import Catalog
from registry.database import Database
from registry.device_history import DeviceHistory
from registry.device_orders import DeviceOrders
from registry.fleet import Fleet
from registry.identity import Identity, internal_token, secret_key
from registry.open import open_database
from registry.promotions import Promotions
from registry.quotas import Quotas
from registry.runs import RunBoard
from registry.secrets import metrics_token
from registry.settings import RegistrySettings, load
from registry.usage import UsageBook
from serving.admission.authentication import Authenticator
from serving.admission.gate import Gate
from serving.admission.logins import Logins
from serving.admission.open import open_gate
from serving.api.app import build_app
from serving.api.parts import Parts
from serving.cache import Recent
from serving.during import during
from serving.gateway import Gateway
from serving.metrics import Metrics
from serving.reads import Reads
from serving.routing.blame import Blame
from serving.routing.census import Census
from serving.routing.hedge import Hedge
from serving.routing.router import Router
from serving.routing.running import Running
from serving.routing.sharing import Sharing
from serving.routing.upstream import Upstream
from serving.routing.versions import Versions
from serving.routing.warmth import Warmth
from serving.settings import ServingSettings
from serving.shared_cache import SharedCache
from serving.usage.access_log import AccessLog
from serving.usage.bookkeeper import Bookkeeper
from serving.usage.journal import Journal
from serving.usage.ledger import Ledger

FAILURES_S = 300.0
"""Seconds of requests that a device's error rate is about."""

LOAD_SLACK_S = 30.0
"""Seconds a worker may take on top of an engine's start, to make room for it."""


def create_app(
    settings: ServingSettings | None = None, registry: RegistrySettings | None = None
) -> FastAPI:
    """The application; settings that are not given come from the environment and the file."""
    settings = settings or load(ServingSettings)
    registry = registry or load(RegistrySettings)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        secret = secret_key(registry)
        database = await asyncio.to_thread(open_database, registry)
        token = internal_token(secret)
        try:
            redis_url = registry.redis_url.get_secret_value()
            authenticator = Authenticator(Identity(database, secret), metrics_token(registry))
            async with (
                Upstream.open(token, silent_s=settings.answer_timeout_s) as upstream,
                aclosing(SharedCache.at(redis_url)) as cache,
                open_gate(settings, database, redis_url, authenticator.forget) as gate,
                _ledger(settings, registry, database) as ledger,
            ):
                reads = Reads(cache, Catalog(database), Fleet(database))
                router = _router(settings, reads, upstream)
                hedge = Hedge(router, settings.hedge_after_s) if settings.hedge_after_s else None
                versions = Versions(reads.catalog)
                blame = Blame(router, upstream)
                gateway = Gateway(gate, versions, router, upstream, ledger, blame, hedge)
                app.state.parts = _join(settings, authenticator, gateway, reads, metrics)
                promotions = Promotions(database)
                warmth = Warmth(router.census, promotions, upstream, router.load_timeout_s)
                async with during(warmth.run()), _sharing(router, gate, redis_url):
                    yield
        finally:
            database.close()

    return build_app(lifespan, metrics.counted, settings.origins, settings.host)


def _sharing(router: Router, gate: Gate, redis_url: str) -> AbstractAsyncContextManager[object]:
    """Gateways tell one another of their reservations, where there is a Redis to do it by."""
    return during(Sharing(router, gate).run()) if redis_url else nullcontext()


def _ledger(
    settings: ServingSettings, registry: RegistrySettings, database: Database
) -> AbstractAsyncContextManager[Ledger]:
    journal = Journal(registry.data_dir / "usage")
    return Bookkeeper.at_work(UsageBook(database), journal, AccessLog(settings.access_log))


def _router(settings: ServingSettings, reads: Reads, upstream: Upstream) -> Router:
    census = Census(reads.fleet, settings.worker_alive_s)
    timeout_s = settings.engine_start_timeout_s + LOAD_SLACK_S
    return Router(census, upstream, Running(), timeout_s)


def _join(
    settings: ServingSettings,
    authenticator: Authenticator,
    gateway: Gateway,
    reads: Reads,
    metrics: Metrics,
) -> Parts:
    identity = authenticator.identity
    usage = UsageBook(identity.db)
    return Parts(
        gateway=gateway,
        authenticator=authenticator,
        logins=Logins(identity),
        quotas=Quotas(identity.db),
        reads=reads,
        orders=DeviceOrders(identity.db),
        history=DeviceHistory(identity.db),
        runs=RunBoard(identity.db),
        usage=usage,
        failures=Recent(lambda _: usage.failure_rates(FAILURES_S), seconds=1.0),
        census=gateway.router.census,
        metrics=metrics,
        alive_s=settings.worker_alive_s,
    )
