"""One request's hold on a worker, from the decision to the end of its answer."""

import time
from dataclasses import dataclass, field
from typing import Protocol, Self

from registry.names import ModelVersion
from serving.routing.dispatcher import Dispatcher
from serving.routing.ejection import Ejection
from serving.routing.fleet_state import Ticket
from serving.routing.target import Target
from serving.routing.work import Outcome, Work


class Keeper(Protocol):
    """What a reservation tells of its course."""

    core: Dispatcher
    ejection: Ejection

    async def begin(self, version: ModelVersion, work: Work) -> Ticket: ...
    def end(self, ticket: Ticket, outcome: Outcome | None) -> None: ...
    def act(self) -> None: ...
    def failed(self, target: Target) -> None: ...
    def gone(self, target: Target) -> None: ...


@dataclass(slots=True)
class Reservation:
    """Held for the length of an `async with`; what it says is learned from.

    `target`, where to send the request, is there from its beginning.
    """

    keeper: Keeper
    version: ModelVersion
    work: Work
    ticket: Ticket = field(init=False)
    target: Target = field(init=False)
    outcome: Outcome | None = None

    @classmethod
    def of(cls, keeper: Keeper, version: ModelVersion, ticket: Ticket) -> Self:
        """A hold on a place that was given already; whoever asked for it ends it."""
        held = cls(keeper, version, ticket.work)
        held._hold(ticket)
        return held

    async def __aenter__(self) -> Self:
        self._hold(await self.keeper.begin(self.version, self.work))
        return self

    def _hold(self, ticket: Ticket) -> None:
        lane = ticket.lane
        if lane is None:
            raise LookupError("what was sent has a lane")
        self.ticket, self.target = ticket, Target(lane.version, lane.worker.device_id, lane.url)

    async def __aexit__(self, *_: object) -> None:
        self.keeper.end(self.ticket, self.outcome)

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

    def answered(self, prompt_tokens: int, cached_tokens: int, output_tokens: int) -> None:
        """The answer is complete; the engine has counted its tokens."""
        self.keeper.ejection.succeeded(self.target.device_id)
        first, sent = self.ticket.first_at, self.ticket.sent_at
        ttft_s = None if first is None else first - sent
        total_s = time.monotonic() - sent
        self.outcome = Outcome(prompt_tokens, cached_tokens, output_tokens, ttft_s, total_s)

    def failed(self) -> None:
        """The engine answered that it could not."""
        self.keeper.failed(self.target)

    def gone(self) -> None:
        """The engine did not answer at all."""
        self.keeper.gone(self.target)
