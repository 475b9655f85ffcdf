"""The requests at work on devices, as far as this gateway knows of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.jobs.job import Job
from modelyard.serving.api.services import Services
from modelyard.serving.routing.running import RunningRequest, RunningRequests
from modelyard.serving.wire.admin.devices import ActiveRequest


@dataclass(frozen=True, slots=True)
class WorkOnDevices:
    """What this gateway has running, and the queued requests that any process has."""

    running: RunningRequests
    jobs: Sequence[Job]

    @classmethod
    async def seen(cls, services: Services) -> "WorkOnDevices":
        return cls(services.running, await asyncio.to_thread(services.jobs.book.at_work))

    def on(self, device_id: str, report: DeviceReport) -> list[ActiveRequest]:
        """Those that an engine works on, the oldest first.

        The newest, as many as the device's engines have waiting, are taken to be the ones that
        wait there.
        """
        jobs = {job.id: job for job in self.jobs if job.device_id == device_id}
        here = self.running.on(device_id)
        own = [_active(request, jobs.get(request.request_id)) for request in here]
        elsewhere = [jobs[id_] for id_ in jobs.keys() - self.running.ids()]
        known = sorted([*own, *map(_active_job, elsewhere)], key=lambda each: each.start_time)
        return known[: max(0, len(known) - report.queued_requests)]


def _active(request: RunningRequest, job: Job | None) -> ActiveRequest:
    """Progress is known of queued requests alone; a client that waits sees its own."""
    return ActiveRequest(
        request_id=request.request_id,
        user_id=request.caller.user_id,
        model_id=request.model,
        start_time=request.started_at,
        progress=job.progress if job else None,
    )


def _active_job(job: Job) -> ActiveRequest:
    return ActiveRequest(
        request_id=job.id,
        user_id=job.user_id,
        model_id=job.version or job.model,
        start_time=job.started_at or job.submitted_at,
        progress=job.progress,
    )
