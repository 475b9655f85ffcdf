"""Takes a version out of the memory of devices, as a person asks for it."""

import asyncio
from dataclasses import dataclass

from modelyard.registry.fleet.fleet import Fleet, WorkerView
from modelyard.serving.upstream.client import Upstream


@dataclass(frozen=True, slots=True)
class Unloading:
    """The workers that are asked; each may take `timeout_s` seconds until requests have ended."""

    fleet: Fleet
    upstream: Upstream
    timeout_s: float

    async def unload(self, version_id: str, only: str | None = None) -> list[str]:
        """The devices whose workers let the version go, of all or of `only` one."""
        workers = await asyncio.to_thread(self._workers, version_id, only)
        for worker in workers:
            await self.upstream.unload(worker, version_id, timeout_s=self.timeout_s)
        return [worker.device_id for worker in workers]

    def _workers(self, version_id: str, only: str | None) -> list[WorkerView]:
        engines = [e for e in self.fleet.engines() if e.version_id == version_id]
        wanted = {engine.device_id for engine in engines if only in (None, engine.device_id)}
        return [worker for worker in self.fleet.workers() if worker.device_id in wanted]
