"""The requests this gateway is answering now, and on which device."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from modelyard.registry.identity.caller import Caller
from modelyard.serving.upstream.target import Target


class RunningRequest:
    """One running request: its caller, version, target and start time (seconds since 1970)."""

    __slots__ = ("caller", "model", "request_id", "since", "target")

    def __init__(
        self, request_id: str, caller: Caller, model: str, target: Target, *, since: float
    ) -> None:
        self.request_id = request_id
        self.caller = caller
        self.model = model
        self.target = target
        self.since = since

    @property
    def started_at(self) -> datetime:
        return datetime.fromtimestamp(self.since, UTC)


@dataclass(frozen=True, slots=True)
class RunningRequests:
    """The running requests, each listed exactly as long as its engine works on it."""

    _requests: dict[int, RunningRequest] = field(default_factory=dict[int, RunningRequest])

    def begin(self, request: RunningRequest) -> None:
        self._requests[id(request)] = request

    def end(self, request: RunningRequest) -> None:
        """Remove a request its engine is done with; repeated calls do nothing."""
        self._requests.pop(id(request), None)

    def on(self, device_id: str) -> list[RunningRequest]:
        """The requests on one device, the oldest first."""
        return [r for r in self._requests.values() if r.target.device_id == device_id]

    def ids(self) -> set[str]:
        """The ids of all, as their clients know them."""
        return {r.request_id for r in self._requests.values()}

    def devices_of(self, user_id: str) -> set[str]:
        """The devices on which a user has running requests."""
        requests = self._requests.values()
        return {r.target.device_id for r in requests if r.caller.user_id == user_id}

    def count(self, target: Target) -> int:
        return sum(r.target == target for r in self._requests.values())

    def by_user(self) -> dict[str, int]:
        """How many run, by the user's id."""
        return Counter(r.caller.user_id for r in self._requests.values())
