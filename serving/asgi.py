"""The gateway as an ASGI application: settings are read and the rooms are joined here."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import (
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
)
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI

from modelyard.registry.billing.quotas import Quotas
from modelyard.registry.billing.response_times import ResponseBook
from modelyard.registry.billing.traffic import TrafficBook
from modelyard.registry.billing.usage import UsageBook
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.preparations import Preparations
from modelyard.registry.catalog.promotions import Promotions
from modelyard.registry.database import Database
from modelyard.registry.fleet.device_history import DeviceHistory
from modelyard.registry.fleet.device_orders import DeviceOrders
from modelyard.registry.fleet.device_states import DeviceStates
from modelyard.registry.fleet.fleet import Fleet
from modelyard.registry.fleet.rollup import HistoryRollup
from modelyard.registry.identity.grants import Grants
from modelyard.registry.identity.identity import Identity, internal_token, secret_key
from modelyard.registry.installation import open_database
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.notices.notice_book import NoticeBook
from modelyard.registry.notices.tickets import NoticeTickets
from modelyard.registry.runs.orders import OrderBook
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.served_flows import ServedFlows
from modelyard.registry.secrets import dashboard_token, metrics_token
from modelyard.registry.settings import RegistrySettings, load
from modelyard.serving.access.authentication import Authenticator
from modelyard.serving.access.logins import Logins
from modelyard.serving.admission.open import open_gate
from modelyard.serving.api.app import build_app
from modelyard.serving.api.services import Services
from modelyard.serving.background_task import background_task
from modelyard.serving.batches.services import BatchServices
from modelyard.serving.batches.submitting import BatchIntake
from modelyard.serving.cache import SingleFlightCache
from modelyard.serving.callbacks.address_rules import check_url
from modelyard.serving.callbacks.allowed_hosts import AllowedHosts
from modelyard.serving.callbacks.services import CallbackServices
from modelyard.serving.gateway.card_lane import CardLane
from modelyard.serving.gateway.card_search import CardSearch
from modelyard.serving.gateway.pipeline import Gateway
from modelyard.serving.gateway.queries import Queries
from modelyard.serving.jobs.desk import RequestDesk
from modelyard.serving.jobs.opening import desk_of
from modelyard.serving.jobs.services import JobServices
from modelyard.serving.joining import (
    dispatcher_of,
    dispatching,
    gateway_of,
    ledger_at_work,
    queue_of,
    sharing,
)
from modelyard.serving.notices.bus import NoticeBus
from modelyard.serving.notices.services import NoticeServices
from modelyard.serving.notices.wake_up import WakeUp
from modelyard.serving.observability.prometheus import Metrics
from modelyard.serving.routing.fleet.device_watch import DeviceWatch, thresholds_of
from modelyard.serving.routing.fleet.prewarm import Prewarmer
from modelyard.serving.routing.fleet.promoter import Promoter
from modelyard.serving.routing.router import Router
from modelyard.serving.settings import GatewaySettings
from modelyard.serving.shared_cache import SharedCache
from modelyard.serving.upstream.client import Upstream

FAILURES_S = 300.0
"""Seconds of requests that a device's error rate is about."""
WATCHED_S = 30.0
"""Seconds between two looks at error rates for alerts: each reads all requests of FAILURES_S."""
TRAFFIC_S = 3.0
"""Seconds for which all who look at the same traffic share one look at the usage table."""


def create_app(
    settings: GatewaySettings | None = None, registry: RegistrySettings | None = None
) -> FastAPI:
    """The application; settings that are not given come from the environment and the file."""
    settings = settings or load(GatewaySettings)
    registry = registry or load(RegistrySettings)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        key = secret_key(registry)
        database = await asyncio.to_thread(open_database, registry)
        try:
            redis_url = registry.redis_url.get_secret_value()
            authenticator = Authenticator(Identity(database, key), metrics_token(registry))
            async with (
                Upstream.open(internal_token(key), silent_s=settings.answer_timeout_s) as upstream,
                aclosing(SharedCache.at(redis_url)) as cache,
                open_gate(settings, database, redis_url, authenticator.forget) as gate,
                ledger_at_work(settings, registry, database) as ledger,
            ):
                queries = Queries(cache, Catalog(database), Fleet(database))
                gateway = gateway_of(settings, gate, queries, upstream=upstream, ledger=ledger)
                rooms = _Rooms(
                    settings, registry, database, authenticator, gateway, queries, metrics
                )
                services = app.state.services = rooms.services()
                async with _at_work(settings, registry, database, services):
                    yield
        finally:
            database.close()

    return build_app(lifespan, metrics.counted, settings.origins, settings.host)


def _prewarmer(database: Database, router: Router, upstream: Upstream) -> Prewarmer:
    return Prewarmer(
        router.snapshots,
        Promotions(database),
        Preparations(database),
        upstream,
        router.load_timeout_s,
    )


@asynccontextmanager
async def _at_work(
    settings: GatewaySettings,
    registry: RegistrySettings,
    database: Database,
    services: Services,
) -> AsyncGenerator[None]:
    """What goes on beside the requests, while the block runs."""
    gateway = services.gateway
    works = (
        _prewarmer(database, gateway.router, gateway.attempts.upstream),
        services.notices.bus,
        _device_watch(settings, database, services),
        services.requests.estimates,
    )
    async with AsyncExitStack() as stack:
        for work in works:
            await stack.enter_async_context(background_task(work.run()))
        redis_url = registry.redis_url.get_secret_value()
        await stack.enter_async_context(sharing(gateway.router, gateway.gate, redis_url))
        if services.jobs.dispatcher is not None:
            dispatcher = services.jobs.dispatcher
            dispatching_here = dispatching(
                settings, registry, database, dispatcher, metrics=services.metrics
            )
            await stack.enter_async_context(dispatching_here)
        yield


def _device_watch(settings: GatewaySettings, database: Database, services: Services) -> DeviceWatch:
    rates = SingleFlightCache[None, dict[str, float]](
        lambda _: services.usage.failure_rates(FAILURES_S), seconds=WATCHED_S
    )
    return DeviceWatch(
        services.snapshots,
        services.queries.workers,
        lambda: rates.get(None),
        DeviceStates(database),
        thresholds_of(settings),
        services.metrics.notices,
        services.notices.bus.publish_soon,
        HistoryRollup(database),
        services.notices.bus.book,
    )


@dataclass(frozen=True, slots=True)
class _Rooms:
    """What all rooms behind the routes are made of."""

    settings: GatewaySettings
    registry: RegistrySettings
    database: Database
    authenticator: Authenticator
    gateway: Gateway
    queries: Queries
    metrics: Metrics

    def services(self) -> Services:
        database = self.database
        gateway = self.gateway
        usage = UsageBook(database)
        traffic = TrafficBook(database)
        responses = ResponseBook(database)
        jobs = self._jobs()
        requests = self._desk(jobs)
        batches = BatchServices.of(database, self.registry, self.settings)
        return Services(
            gateway=gateway,
            authenticator=self.authenticator,
            logins=Logins(self.authenticator.identity, dashboard_token(self.registry)),
            quotas=Quotas(database),
            queries=self.queries,
            orders=DeviceOrders(database),
            history=DeviceHistory(database),
            runs=RunBoard(database),
            usage=usage,
            traffic=SingleFlightCache(lambda asked: traffic.since(*asked), seconds=TRAFFIC_S),
            unbooked=gateway.attempts.ledger.unbooked,
            failures=SingleFlightCache(lambda _: usage.failure_rates(FAILURES_S), seconds=1.0),
            running=gateway.attempts.running,
            snapshots=gateway.router.snapshots,
            metrics=self.metrics,
            promoter=self._promoter(),
            promotions=Promotions(database),
            run_orders=OrderBook(database),
            cards=CardLane(CardSearch(self.registry, self.queries.catalog)),
            promotion_wait_s=self.settings.promotion_wait_s,
            notices=self._notices(),
            batches=batches,
            callbacks=CallbackServices.of(database, secret_key(self.registry)),
            jobs=jobs,
            requests=requests,
            batch_intake=BatchIntake(requests, batches.batches, batches.book),
            responses=SingleFlightCache(lambda asked: responses.since(*asked), seconds=TRAFFIC_S),
        )

    def _promoter(self) -> Promoter:
        router = self.gateway.router
        upstream = self.gateway.attempts.upstream
        return Promoter(self.database, router.snapshots, upstream, router.load_timeout_s)

    def _jobs(self) -> JobServices:
        queue = queue_of(self.settings, self.database)
        dispatcher = dispatcher_of(
            self.database, queue, self.registry, gateway=self.gateway, metrics=self.metrics
        )
        is_here = self.settings.dispatch == "gateway"
        return JobServices(queue, JobBook(self.database), dispatcher if is_here else None)

    def _desk(self, jobs: JobServices) -> RequestDesk:
        hosts = AllowedHosts.of(self.settings.callback_hosts)
        return desk_of(
            jobs,
            self.gateway,
            self.queries,
            identity=self.authenticator.identity,
            flows=ServedFlows(self.database),
            check_url=partial(check_url, allowed=hosts),
            stats=self.metrics.estimates,
        )

    def _notices(self) -> NoticeServices:
        grants = Grants(self.database, secret_key(self.registry))
        bus = NoticeBus(
            NoticeBook(self.database),
            grants.still_hold,
            self.metrics.notices,
            WakeUp(self.registry.redis_url.get_secret_value()),
            most_each=self.settings.notice_connections,
            backlog=self.settings.notice_backlog,
        )
        return NoticeServices(bus, NoticeTickets(self.database), grants)
