"""The objects that routes use: created once at startup, found through the request."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.requests import Request

from modelyard.registry.billing.quotas import Quotas
from modelyard.registry.billing.response_times import ResponseTimes
from modelyard.registry.billing.traffic_step import TrafficStep
from modelyard.registry.billing.usage import UsageBook
from modelyard.registry.catalog.promotions import Promotions
from modelyard.registry.fleet.device_history import DeviceHistory
from modelyard.registry.fleet.device_orders import DeviceOrders
from modelyard.registry.identity.caller import Caller
from modelyard.registry.runs.orders import OrderBook
from modelyard.registry.runs.runs import RunBoard
from modelyard.serving.access.authentication import Authenticator
from modelyard.serving.access.logins import Logins
from modelyard.serving.batches.services import BatchServices
from modelyard.serving.batches.submitting import BatchIntake
from modelyard.serving.cache import SingleFlightCache
from modelyard.serving.callbacks.services import CallbackServices
from modelyard.serving.gateway.card_lane import CardLane
from modelyard.serving.gateway.pipeline import Gateway
from modelyard.serving.gateway.queries import Queries
from modelyard.serving.jobs.desk import RequestDesk
from modelyard.serving.jobs.services import JobServices
from modelyard.serving.metering.unbooked import UnbookedRequests
from modelyard.serving.notices.services import NoticeServices
from modelyard.serving.observability.prometheus import Metrics
from modelyard.serving.routing.fleet.promoter import Promoter
from modelyard.serving.routing.fleet.snapshot import FleetSnapshotCache
from modelyard.serving.routing.running import RunningRequests

TrafficQuestion = tuple[int, int, str | None]
"""Minutes, seconds of a step, and a user's id or None."""

ResponseQuestion = tuple[int, str | None]
"""Minutes, and a user's id or None."""


@dataclass(frozen=True, slots=True)
class Services:
    """The objects behind the routes.

    `failures` gives the failed share of each device's requests in the last minutes, `traffic` the
    steps of some last minutes, of some seconds each, of everybody or of one user, `responses` the
    times of requests in some last minutes, by user;
    `promotion_wait_s` is how long a promotion waits by default, in seconds.
    """

    gateway: Gateway
    quotas: Quotas
    authenticator: Authenticator
    logins: Logins
    queries: Queries
    orders: DeviceOrders
    history: DeviceHistory
    runs: RunBoard
    usage: UsageBook
    unbooked: UnbookedRequests
    failures: SingleFlightCache[None, dict[str, float]]
    traffic: SingleFlightCache[TrafficQuestion, list[TrafficStep]]
    running: RunningRequests
    snapshots: FleetSnapshotCache
    metrics: Metrics
    promoter: Promoter
    promotions: Promotions
    cards: CardLane
    run_orders: OrderBook
    promotion_wait_s: float
    notices: NoticeServices
    batches: BatchServices
    batch_intake: BatchIntake
    callbacks: CallbackServices
    jobs: JobServices
    requests: RequestDesk
    responses: SingleFlightCache[ResponseQuestion, dict[str, ResponseTimes]]


def services_at(state: State) -> Services:
    services: Services = state.services
    return services


def end_streams(state: State) -> None:
    """End the connections that would stay open for ever; where the start failed there are none."""
    services: Services | None = getattr(state, "services", None)
    if services is not None:
        services.notices.bus.leave()


def services_in(app: Starlette) -> Services:
    return services_at(app.state)


def parts_of(request: Request) -> Services:
    return services_in(request.app)


def caller_of(request: Request) -> Caller:
    """The authenticated caller; open routes have none and must not ask for it."""
    caller: Caller = request.state.caller
    return caller


TheServices = Annotated[Services, Depends(parts_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]
