"""The fleet as it was a moment ago: living workers, and the engines they have."""

from dataclasses import dataclass
from functools import partial

from modelyard.registry.fleet.fleet import EngineState, EngineView, Fleet, WorkerView
from modelyard.serving.cache import SingleFlightCache
from modelyard.serving.upstream.target import Target

REMEMBER_S = 1.0
"""Seconds a look at the fleet is good for; workers report every two."""


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """One look at the fleet."""

    workers: tuple[WorkerView, ...]
    engines: tuple[EngineView, ...]

    def ready(self, version_id: str) -> list[Target]:
        """Where a version answers now, on devices that take work."""
        fit = {worker.device_id for worker in self.workers if worker.device.takes_work}
        return [
            Target(e.version_id, e.device_id, e.url)
            for e in self.engines
            if e.version_id == version_id
            and e.state is EngineState.READY
            and e.url
            and e.device_id in fit
        ]

    def able(self, version_id: str) -> list[WorkerView]:
        """Workers to ask for a version: those that load it already, then by free memory."""
        loading = {e.device_id for e in self.engines if e.version_id == version_id and _coming(e)}
        fit = [worker for worker in self.workers if worker.device.takes_work]
        return sorted(fit, key=lambda w: (w.device_id not in loading, -(w.device.memory_free or 0)))

    def reported(self, device_id: str) -> int:
        """Requests on a device when its worker last spoke."""
        worker = next((w for w in self.workers if w.device_id == device_id), None)
        return worker.device.active_requests if worker else 0


def _coming(engine: EngineView) -> bool:
    return engine.state is EngineState.LOADING


class FleetSnapshotCache:
    """Looks at the fleet's tables at most once a second."""

    def __init__(self, fleet: Fleet, alive_s: float, *, remember_s: float = REMEMBER_S) -> None:
        self._fleet = fleet
        self.alive_s = alive_s
        """Seconds without a report until a worker counts as gone."""
        self._looks = SingleFlightCache(self._look, seconds=remember_s)
        self.known = partial(self._looks.known, None)
        """The same as `now` where it is fresh, without waiting; else None."""

    async def now(self) -> FleetSnapshot:
        return await self._looks.get(None)

    def outdated(self) -> None:
        """Something is known to have changed: look again at the next question."""
        self._looks.forget(None)

    def _look(self, _: None) -> FleetSnapshot:
        workers = self._fleet.workers(self.alive_s)
        engines = self._fleet.engines(self.alive_s)
        return FleetSnapshot(tuple(workers), tuple(engines))
