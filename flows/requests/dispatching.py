"""Takes trainings and fine-tunings from the queue, has Prefect run them, and ends them.

A job's id is the idempotency key of its run: whoever takes the job after a kill gets the run that
is there. A run whose job has ended otherwise, as by its user or its timeout, is cancelled.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field

from modelyard.flows.errors import PrefectDeclined, PrefectRefused, PrefectUnreachable
from modelyard.flows.requests.deployed import deployed
from modelyard.flows.requests.ending import job_end
from modelyard.flows.requests.job_runs import JobRuns, RequestRun
from modelyard.registry.errors import FlowsAway, UnknownDeployment
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.holding import JobProgress
from modelyard.registry.jobs.job import Claim, JobEnd, JobStatus
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.logs import logger
from modelyard.registry.runs.served_flows import ServedFlow, ServedFlows

MOST_AT_ONCE = 20
"""Jobs in the hands of one process; how many of them run is up to Prefect's own limits."""

TRY_AGAIN_S = 5.0
"""Seconds until a job is taken again that Prefect was not there for."""

_log = logger("modelyard.flows")


@dataclass(slots=True)
class RunningJob:
    """A claim, the flow run that was made of it, and how far that was with the last look."""

    claim: Claim
    run_id: str
    progress: JobProgress = field(default_factory=lambda: JobProgress(0.0))


@dataclass(slots=True)
class FlowJobs:
    """The jobs of one process, named `claimer`, and their runs at one Prefect server."""

    queue: JobQueue
    book: JobBook
    served: ServedFlows
    runs: JobRuns
    claimer: str
    _mine: dict[str, RunningJob] = field(default_factory=dict[str, RunningJob])
    _known: list[ServedFlow] | None = None

    def find_deployed(self) -> None:
        """Write down which deployments there are; raises PrefectRefused, PrefectUnreachable."""
        found = deployed(self.runs.api)
        if found != self._known:
            self.served.replace(found)
            self._known = found

    def take(self) -> None:
        """Claim what waits, as far as there is room, and have it run."""
        room = MOST_AT_ONCE - len(self._mine)
        if room <= 0:
            return
        for claim in self.queue.claim(self.claimer, ClaimRequest(flows=room)):
            self._begin(claim)

    def follow(self) -> None:
        """Keep the claims, say how far their runs are, and end those that are over."""
        if not self._mine:
            return
        claims = [one.claim for one in self._mine.values()]
        held = self.queue.extend(
            self.claimer, claims, {id_: one.progress for id_, one in self._mine.items()}
        )
        self._let_go(held.lost)
        found = {run.id: run for run in self.runs.named([m.run_id for m in self._mine.values()])}
        for job_id, mine in list(self._mine.items()):
            self._look(job_id, mine, found.get(mine.run_id))

    def end_left(self) -> None:
        """Cancel runs whose job has ended; one that this database does not know is not ours."""
        runs = {run.job_id: run for run in self.runs.underway() if run.job_id not in self._mine}
        if not runs:
            return
        for job_id, job in self.book.some(runs.keys()).items():
            if job.status.is_end:
                self.runs.cancel(runs[job_id].id)

    def give_back(self) -> None:
        """Leave every job to whoever comes next; its run goes on."""
        for one in self._mine.values():
            why = "The process that followed its run ends."
            self.queue.give_back(one.claim, why, wait_s=0.0, is_attempt=False)
        self._mine.clear()

    def _begin(self, claim: Claim) -> None:
        job = claim.job
        try:
            flow = self.served.of(job.type.value)
            run_id = self.runs.begin(flow.deployment_id, json.loads(claim.body), job.id)
        except (UnknownDeployment, PrefectDeclined) as error:
            self.queue.finish(claim, _refused(error))
        except (PrefectRefused, PrefectUnreachable, FlowsAway) as error:
            _log.warning("request_waits", request=job.id, reason=str(error))
            self.queue.give_back(claim, str(error), wait_s=TRY_AGAIN_S, is_attempt=False)
        else:
            self._mine[job.id] = RunningJob(claim, run_id)

    def _let_go(self, lost: Collection[str]) -> None:
        """Forget jobs that are ours no more; those that have ended need no run."""
        ended = {job.id for job in self.book.some(lost).values() if job.status.is_end}
        for job_id in lost:
            mine = self._mine.pop(job_id)
            if job_id in ended:
                self.runs.cancel(mine.run_id)

    def _look(self, job_id: str, mine: RunningJob, run: RequestRun | None) -> None:
        if run is None:
            self._end(job_id, _gone(mine.run_id))
        elif run.is_over:
            self._end(job_id, job_end(run, self.runs.artifacts(run.id)))
        else:
            mine.progress = JobProgress(self.runs.progress(run.id))

    def _end(self, job_id: str, end: JobEnd) -> None:
        self.queue.finish(self._mine[job_id].claim, end)
        del self._mine[job_id]


def _refused(error: UnknownDeployment | PrefectDeclined) -> JobEnd:
    code = "invalid_parameters" if isinstance(error, PrefectDeclined) else error.code
    return JobEnd(status=JobStatus.FAILED, error_code=code, error=str(error))


def _gone(run_id: str) -> JobEnd:
    return JobEnd(
        status=JobStatus.FAILED,
        error_code="flow_run_lost",
        error=f"Prefect does not know its run {run_id} any more.",
    )
