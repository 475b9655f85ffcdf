"""Joins the rooms that answer requests, for the gateway and for the dispatcher's own process."""

import socket
import uuid
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from modelyard.registry.billing.usage import UsageBook
from modelyard.registry.database import Database
from modelyard.registry.identity.identity import Identity, secret_key
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.keeping.upkeep import QueueUpkeep
from modelyard.registry.jobs.limits import QueueLimits
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.jobs.wake_up import JobWakeUp
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.admission.gate import Gate
from modelyard.serving.background_task import background_task
from modelyard.serving.batches.services import keeper_of
from modelyard.serving.callbacks.sending import callback_sender
from modelyard.serving.gateway.attempt import Attempts
from modelyard.serving.gateway.blame import Blame
from modelyard.serving.gateway.model_versions import VisibleVersions
from modelyard.serving.gateway.pipeline import Gateway
from modelyard.serving.gateway.queries import Queries
from modelyard.serving.jobs.dispatch.dispatching import JobDispatcher
from modelyard.serving.jobs.dispatch.in_hand import JobsInHand
from modelyard.serving.jobs.dispatch.places import ModelPlaces
from modelyard.serving.jobs.dispatch.upkeep import JobUpkeep
from modelyard.serving.jobs.running.job_run import JobRunner
from modelyard.serving.jobs.running.owners import JobOwners
from modelyard.serving.metering.access_log import AccessLog
from modelyard.serving.metering.bookkeeper import Bookkeeper
from modelyard.serving.metering.journal import Journal
from modelyard.serving.metering.open_requests import OpenRequests
from modelyard.serving.observability.prometheus import Metrics
from modelyard.serving.routing.fleet.asking import WorkerQuestion
from modelyard.serving.routing.fleet.snapshot import FleetSnapshotCache
from modelyard.serving.routing.hedge import Hedge
from modelyard.serving.routing.peer_exchange import PeerExchange
from modelyard.serving.routing.policy.overtaking import QueueOrder
from modelyard.serving.routing.router import Router
from modelyard.serving.routing.running import RunningRequests
from modelyard.serving.settings import GatewaySettings, RequestSettings
from modelyard.serving.upstream.client import Upstream

MOST_HOST = 60


def gateway_of(
    settings: GatewaySettings,
    gate: Gate,
    queries: Queries,
    *,
    upstream: Upstream,
    ledger: OpenRequests,
) -> Gateway:
    snapshots = FleetSnapshotCache(
        queries.fleet, settings.worker_alive_s, ask=WorkerQuestion(upstream.token).ask
    )
    order = QueueOrder(settings.queue_order)
    router = Router(snapshots, upstream, settings.load_timeout_s, order)
    router.fleet_sync.absences.return_s = settings.worker_return_s
    hedge = Hedge(router, settings.hedge_after_s) if settings.hedge_after_s else None
    blame = Blame(router, upstream)
    attempts = Attempts(upstream, RunningRequests(), ledger, blame, hedge)
    return Gateway(gate, VisibleVersions(queries.catalog), router, blame, attempts)


def ledger_at_work(
    settings: GatewaySettings, registry: RegistrySettings, database: Database
) -> AbstractAsyncContextManager[OpenRequests]:
    ledger = OpenRequests(Journal(registry.data_dir / "usage"))
    return Bookkeeper.at_work(UsageBook(database), ledger, AccessLog(settings.access_log))


def sharing(router: Router, gate: Gate, redis_url: str) -> AbstractAsyncContextManager[object]:
    """Gateways tell one another of their reservations, where there is a Redis to do it by."""
    return background_task(PeerExchange(router, gate).run()) if redis_url else nullcontext()


def queue_of(settings: RequestSettings, database: Database) -> JobQueue:
    limits = QueueLimits(settings.queued_requests, settings.user_queued_requests)
    return JobQueue(database, limits, settings.request_lease_s)


@asynccontextmanager
async def dispatching(
    settings: RequestSettings,
    registry: RegistrySettings,
    database: Database,
    dispatcher: JobDispatcher,
    *,
    metrics: Metrics,
) -> AsyncGenerator[None]:
    """Jobs are run, looked after and told of while the block runs."""
    sender = callback_sender(settings, database, secret_key(registry), metrics.callbacks)
    queue = dispatcher.queue
    upkeep = QueueUpkeep(database, queue, settings.requests_days)
    batches = keeper_of(database, queue, dispatcher.runner, registry=registry, settings=settings)
    async with (
        background_task(sender.run()),
        background_task(batches.run()),
        background_task(JobUpkeep(upkeep).run()),
        dispatcher.at_work(),
    ):
        yield


def dispatcher_of(
    database: Database,
    queue: JobQueue,
    registry: RegistrySettings,
    *,
    gateway: Gateway,
    metrics: Metrics,
) -> JobDispatcher:
    """What runs jobs in this process; its name is the host's, and new with each start."""
    in_hand = JobsInHand()
    return JobDispatcher(
        queue,
        JobBook(database),
        JobWakeUp(registry.database, registry.redis_url.get_secret_value()),
        JobRunner(gateway, JobOwners(Identity(database, secret_key(registry)))),
        ModelPlaces(gateway, in_hand, metrics.counted),
        claimer=f"{socket.gethostname()[:MOST_HOST]}/{uuid.uuid4()}",
        stats=metrics.jobs,
        in_hand=in_hand,
    )
