"""A real Prefect server with a deployment named `training`, and a queue with jobs for it."""

import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from modelyard.flows.context import FlowContext, open_context
from modelyard.flows.prefect.address import Prefect
from modelyard.flows.requests.dispatching import FlowJobs
from modelyard.flows.requests.serving import flow_jobs
from modelyard.registry.jobs.job import Job, JobType, NewJob
from tests.servers.prefect import prefect_api

SCHEMA = {
    "type": "object",
    "properties": {"steps": {"type": "integer"}, "rate": {"type": "number"}},
    "required": ["steps"],
}


@dataclass(frozen=True, slots=True)
class Trainings:
    """Jobs of one installation, and their runs as the server has them; nobody serves these."""

    context: FlowContext
    prefect: Prefect
    http: httpx2.Client

    def process(self) -> FlowJobs:
        """The jobs of a flows' process that has just started."""
        jobs = flow_jobs(self.context, self.prefect)
        jobs.find_deployed()
        return jobs

    def submit(self, body: bytes = b'{"steps": 3}', timeout_s: float = 600.0) -> Job:
        (job,) = self.context.job_queue.submit(
            [
                NewJob(
                    id=str(uuid.uuid4()),
                    user_id="u1",
                    asked_by="u1",
                    model="owner/name",
                    type=JobType.TRAINING,
                    path="training",
                    body=body,
                    priority=3,
                    timeout_s=timeout_s,
                    digest="0" * 64,
                )
            ]
        )
        return job

    def job(self, job: Job) -> Job:
        return self.context.job_book.get(job.id)

    def run(self, job: Job) -> dict[str, Any]:
        """The one flow run that a job has."""
        wanted = {"flow_runs": {"idempotency_key": {"any_": [job.id]}}}
        (run,) = self.post("/flow_runs/filter", wanted)
        return run

    def set_state(self, job: Job, state: str, message: str = "") -> None:
        """As whoever runs it would say."""
        told = {"type": state, "name": state.capitalize(), "message": message}
        body = {"state": told, "force": True}
        self.post(f"/flow_runs/{self.run(job)['id']}/set_state", body)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()


@pytest.fixture
def trainings(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect: Prefect
) -> Generator[Trainings]:
    monkeypatch.setenv("MODELYARD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MODELYARD_DATABASE_URL", sqlite_url)
    with open_context() as context, prefect_api(prefect) as http:
        context.flow_processes.beat("a process")
        trainings = Trainings(context, prefect, http)
        flow = trainings.post("/flows/", {"name": "lora"})
        told = {"name": "training", "flow_id": flow["id"], "parameter_openapi_schema": SCHEMA}
        made = trainings.post("/deployments/", {**told, "enforce_parameter_schema": True})
        yield trainings
        http.delete(f"/deployments/{made['id']}").raise_for_status()


def until(is_so: Callable[[], bool], within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
