"""One request's hold on a worker, from the decision to the end of its answer."""

from typing import Protocol

from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.routing.policy.fleet_state import PendingRequest
from modelyard.serving.upstream.target import Target


class ReservationListener(Protocol):
    """What a reservation tells of its course."""

    def begun(self, pending: PendingRequest) -> None: ...
    def answered(self, target: Target) -> None: ...
    def end(self, pending: PendingRequest, output_tokens: int | None) -> None: ...
    def failed(self, target: Target) -> None: ...
    def gone(self, target: Target) -> None: ...


class Reservation:
    """Held until `end`; what it says is learned from.

    `target` is where to send the request.
    """

    __slots__ = ("listener", "output_tokens", "pending", "target", "version")

    def __init__(
        self, listener: ReservationListener, version: ModelVersion, pending: PendingRequest
    ) -> None:
        replica = pending.replica
        if replica is None:
            raise LookupError("what was sent has a replica")
        self.listener = listener
        self.version = version
        self.pending = pending
        self.target = Target(replica.version, replica.worker.device_id, replica.url)
        self.output_tokens: int | None = None

    def end(self) -> None:
        """The place is free; twice is as once."""
        if not self.pending.is_over:
            self.listener.end(self.pending, self.output_tokens)

    def trade(self, other: "Reservation") -> None:
        """Each takes the other's place."""
        self.pending, other.pending = other.pending, self.pending
        self.target, other.target = other.target, self.target

    def begun(self, *, streamed: bool) -> None:
        """The first bytes are here; of a streamed answer they tell that its prompt is computed."""
        if streamed:
            self.listener.begun(self.pending)

    def answered(self, output_tokens: int) -> None:
        """The answer is complete; the engine has counted its tokens."""
        self.listener.answered(self.target)
        self.output_tokens = output_tokens

    def failed(self) -> None:
        """The engine answered that it could not."""
        self.listener.failed(self.target)

    def gone(self) -> None:
        """The engine did not answer at all."""
        self.listener.gone(self.target)
