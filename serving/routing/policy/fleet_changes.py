"""The changes found in one fleet update, collected before any decision is made on them."""

from dataclasses import dataclass, field

from modelyard.serving.routing.policy.fleet_state import Replica, WorkerState


@dataclass(slots=True)
class FleetChanges:
    """Replicas that are gone, workers that get no work for now, and replicas that became ready.

    On the `freed` workers, other gateways have less work than before.
    """

    lost: list[Replica] = field(default_factory=list[Replica])
    unfit: list[WorkerState] = field(default_factory=list[WorkerState])
    loaded: list[Replica] = field(default_factory=list[Replica])
    freed: list[WorkerState] = field(default_factory=list[WorkerState])
