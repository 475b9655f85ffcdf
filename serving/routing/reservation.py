"""One request's reservation on a worker, from the decision to the end of its answer."""

from typing import Protocol

from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.routing.policy.fleet_state import PendingRequest
from modelyard.serving.upstream.target import Target


class ReservationListener(Protocol):
    """Receives a reservation's events."""

    def begun(self, pending: PendingRequest) -> None: ...
    def answered(self, target: Target) -> None: ...
    def end(self, pending: PendingRequest, output_tokens: int | None) -> None: ...
    def failed(self, target: Target) -> None: ...
    def gone(self, target: Target) -> None: ...


class Reservation:
    """A slot on an engine, held until `end`; its events feed the router's estimates.

    `target` is the engine to send the request to.
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
        """Free the slot; repeated calls do nothing."""
        if not self.pending.is_over:
            self.listener.end(self.pending, self.output_tokens)

    def trade(self, other: "Reservation") -> None:
        """Swap slots and targets with another reservation."""
        self.pending, other.pending = other.pending, self.pending
        self.target, other.target = other.target, self.target

    def begun(self, *, streamed: bool) -> None:
        """Report the first bytes; in a streamed answer they mean that the prompt is computed."""
        if streamed:
            self.listener.begun(self.pending)

    def answered(self, output_tokens: int) -> None:
        """Report a complete answer with the engine's token count."""
        self.listener.answered(self.target)
        self.output_tokens = output_tokens

    def failed(self) -> None:
        """Report that the engine answered with an error or broke off its answer."""
        self.listener.failed(self.target)

    def gone(self) -> None:
        """Report that the engine did not answer at all."""
        self.listener.gone(self.target)
