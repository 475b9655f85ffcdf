"""What a dispatcher decides, written down for tests that look at it."""

from dataclasses import dataclass, field

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.fleet_state import PendingRequest
from modelyard.serving.routing.policy.placement import LoadOrder


@dataclass(slots=True)
class Decided:
    """In the order of the decisions: what was sent, and what is to be loaded."""

    sends: list[PendingRequest] = field(default_factory=list[PendingRequest])
    loads: list[LoadOrder] = field(default_factory=list[LoadOrder])

    def dispatcher(self, cluster: ClusterState) -> Dispatcher:
        """One that tells its decisions here."""
        return Dispatcher(cluster, on_send=self.sends.append, on_load=self.loads.append)

    def clear(self) -> None:
        self.sends.clear()
        self.loads.clear()
