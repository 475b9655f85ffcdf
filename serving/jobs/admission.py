"""Says before a job is queued whether it may be: quota, rates, and a device that could run it."""

from dataclasses import dataclass

from modelyard.serving.admission.gate import Gate
from modelyard.serving.gateway.queries import Queries
from modelyard.serving.jobs.intake.intake import CheckedJob
from modelyard.serving.jobs.suitable import MB, MemoryNeed, check_suitable
from modelyard.serving.routing.fleet.snapshot import FleetSnapshotCache


@dataclass(frozen=True, slots=True)
class JobAdmission:
    """Counts nothing: a job counts against quota and rates once, when it is sent to its engine.

    So one that is queued while there is room waits where there is none left when its turn comes.
    """

    gate: Gate
    snapshots: FleetSnapshotCache
    queries: Queries

    async def check(self, asked: CheckedJob) -> None:
        """Raise QuotaExceeded, RateLimited or NoSuitableDevice, each with what may be done."""
        self.gate.check(asked.quota)
        if not asked.job.type.is_flow:
            await self._check_device(asked)

    async def _check_device(self, asked: CheckedJob) -> None:
        fleet = await self.snapshots.now()
        memory: int | None = asked.job.resources.get("memory")
        if memory is None and fleet.ready(asked.version.id):
            return
        need = MemoryNeed(
            asked.job.model,
            asked.version.size if memory is None else memory * MB,
            memory is not None,
        )
        others = await self.queries.workers()
        here = {worker.device_id for worker in fleet.workers}
        check_suitable(need, fleet.workers, [w for w in others if w.device_id not in here])
