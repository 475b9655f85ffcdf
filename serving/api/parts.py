"""What the routes work with: made once at start, found through the request."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.requests import Request

from registry.device_history import DeviceHistory
from registry.device_orders import DeviceOrders
from registry.names import Caller
from registry.quotas import Quotas
from registry.runs import RunBoard
from registry.usage import UsageBook
from serving.admission.authentication import Authenticator
from serving.admission.logins import Logins
from serving.cache import Recent
from serving.gateway import Gateway
from serving.metrics import Metrics
from serving.reads import Reads
from serving.routing.census import Census


@dataclass(frozen=True, slots=True)
class Parts:
    """The rooms behind the routes; `alive_s` is how long a silent worker counts as living.

    `failures` tells the failed share of each device's requests of the last minutes.
    """

    gateway: Gateway
    quotas: Quotas
    authenticator: Authenticator
    logins: Logins
    reads: Reads
    orders: DeviceOrders
    history: DeviceHistory
    runs: RunBoard
    usage: UsageBook
    failures: Recent[None, dict[str, float]]
    census: Census
    metrics: Metrics
    alive_s: float


def parts_at(state: State) -> Parts:
    parts: Parts = state.parts
    return parts


def parts_in(app: Starlette) -> Parts:
    return parts_at(app.state)


def parts_of(request: Request) -> Parts:
    return parts_in(request.app)


def caller_of(request: Request) -> Caller:
    """Who the door let in; on an open route there is none, and asking for one is a mistake."""
    caller: Caller = request.state.caller
    return caller


TheParts = Annotated[Parts, Depends(parts_of)]
TheCaller = Annotated[Caller, Depends(caller_of)]
