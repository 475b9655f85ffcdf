"""A recent snapshot of the fleet: live workers and their engines."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from modelyard.registry.fleet.fleet import EngineState, EngineView, Fleet, WorkerView
from modelyard.serving.cache import LAST_S, SingleFlightCache
from modelyard.serving.routing.fleet.asking import WorkerReply
from modelyard.serving.routing.fleet.signs_of_life import SignsOfLife
from modelyard.serving.upstream.target import Target

READ_S = 86_400.0
"""Seconds of age (a day) beyond which a row is not even read; clocks differ by less."""

REMEMBER_S = 1.0
"""Seconds a snapshot is valid; workers report every two."""


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """The workers and engines read from the fleet's tables at one moment."""

    workers: tuple[WorkerView, ...]
    engines: tuple[EngineView, ...]

    def worker(self, device_id: str) -> WorkerView | None:
        """The worker of a device, or None if there is none."""
        return next((w for w in self.workers if w.device_id == device_id), None)

    def ready(self, version_id: str) -> list[Target]:
        """The ready engines of a version on devices that take work."""
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
        """Workers that could load a version: those already loading it, then by free memory."""
        loading = {e.device_id for e in self.engines if e.version_id == version_id and _coming(e)}
        fit = [worker for worker in self.workers if worker.device.takes_work]
        return sorted(fit, key=lambda w: (w.device_id not in loading, -(w.device.memory_free or 0)))

    def reported(self, device_id: str) -> int:
        """Active requests on a device by its worker's last report."""
        worker = self.worker(device_id)
        return worker.device.active_requests if worker else 0


def _coming(engine: EngineView) -> bool:
    return engine.state is EngineState.LOADING


class FleetSnapshotCache:
    """Reads the fleet's tables at most once per `remember_s` seconds."""

    def __init__(
        self,
        fleet: Fleet,
        alive_s: float,
        *,
        ask: Callable[[str], WorkerReply] | None = None,
        remember_s: float = REMEMBER_S,
    ) -> None:
        self._fleet = fleet
        self.signs = SignsOfLife(alive_s, ask)
        self._looks = SingleFlightCache(self._look, seconds=remember_s, last_s=LAST_S)
        self.known = partial(self._looks.known, None)
        """Returns the cached snapshot without waiting, or None if it is not fresh."""

    async def now(self) -> FleetSnapshot:
        return await self._looks.get(None)

    @property
    def is_held(self) -> bool:
        """Whether the last snapshot was one of before, since the database gives none."""
        return self._looks.is_held(None)

    def outdated(self) -> None:
        """Read the fleet anew at the next question, because it is known to have changed."""
        self._looks.outdated(None)

    def _look(self, _: None) -> FleetSnapshot:
        workers = self.signs.living(self._fleet.workers(READ_S))
        living = {worker.device_id for worker in workers}
        engines = [e for e in self._fleet.engines(READ_S) if e.device_id in living]
        return FleetSnapshot(tuple(workers), tuple(engines))
