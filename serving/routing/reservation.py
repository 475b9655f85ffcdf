"""One request's hold on a worker, from the decision to the end of its answer."""

import time
from typing import Protocol

from registry.names import ModelVersion
from serving.routing.dispatcher import Dispatcher
from serving.routing.ejection import Ejection
from serving.routing.fleet_state import Ticket
from serving.routing.target import Target


class Keeper(Protocol):
    """What a reservation tells of its course."""

    core: Dispatcher
    ejection: Ejection

    def end(self, ticket: Ticket, output_tokens: int | None) -> None: ...
    def act(self) -> None: ...
    def failed(self, target: Target) -> None: ...
    def gone(self, target: Target) -> None: ...


class Reservation:
    """Held until `end`; what it says is learned from.

    `target` is where to send the request.
    """

    __slots__ = ("keeper", "output_tokens", "target", "ticket", "version")

    def __init__(self, keeper: Keeper, version: ModelVersion, ticket: Ticket) -> None:
        lane = ticket.lane
        if lane is None:
            raise LookupError("what was sent has a lane")
        self.keeper = keeper
        self.version = version
        self.ticket = ticket
        self.target = Target(lane.version, lane.worker.device_id, lane.url)
        self.output_tokens: int | None = None

    def end(self) -> None:
        """The place is free; twice is as once."""
        if not self.ticket.is_over:
            self.keeper.end(self.ticket, self.output_tokens)

    def trade(self, other: "Reservation") -> None:
        """Each takes the other's place."""
        self.ticket, other.ticket = other.ticket, self.ticket
        self.target, other.target = other.target, self.target

    def begun(self, *, streamed: bool) -> None:
        """The first bytes are here; of a streamed answer they tell that its prompt is computed."""
        if not streamed:
            return
        self.keeper.core.first_token(self.ticket, time.monotonic())
        self.keeper.act()

    def answered(self, output_tokens: int) -> None:
        """The answer is complete; the engine has counted its tokens."""
        self.keeper.ejection.succeeded(self.target.device_id)
        self.output_tokens = output_tokens

    def failed(self) -> None:
        """The engine answered that it could not."""
        self.keeper.failed(self.target)

    def gone(self) -> None:
        """The engine did not answer at all."""
        self.keeper.gone(self.target)
