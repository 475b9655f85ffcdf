"""The flow runs of jobs at a Prefect server: begun once a job, asked how far they are, ended."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelyard.flows.errors import PrefectDeclined, PrefectRefused
from modelyard.flows.prefect.address import Prefect
from modelyard.flows.prefect.api import PrefectApi
from modelyard.flows.prefect.run_orders import RunOrders

TAG = "modelyard-request"
"""The tag of the runs of jobs; their idempotency key is the job's id."""

ENDS = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
"""Types of the states in which a run stays."""

UNDERWAY = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED")
"""Types of the states of a run that goes on, and that nobody has cancelled."""

MOST = 200
"""The most that Prefect lists at once."""


@dataclass(frozen=True, slots=True)
class RequestRun:
    """A flow run of a job; `state` is Prefect's type of it, such as RUNNING."""

    id: str
    job_id: str
    state: str
    message: str

    @property
    def is_over(self) -> bool:
        return self.state in ENDS


@dataclass(frozen=True, slots=True)
class JobRuns:
    """The runs of jobs at one server."""

    server: Prefect

    @property
    def api(self) -> PrefectApi:
        return PrefectApi(self.server)

    def begin(self, deployment_id: str, parameters: Mapping[str, Any], job_id: str) -> str:
        """Have a deployment run; the same job again gives the same run's id."""
        body = {"parameters": parameters, "idempotency_key": job_id, "tags": [TAG]}
        path = f"/deployments/{deployment_id}/create_flow_run"
        return str(self.api.ask("POST", path, body)["id"])

    def named(self, run_ids: Collection[str]) -> list[RequestRun]:
        """Those that the server knows of these; at most 200 are looked up at once."""
        ids = list(run_ids)
        parts = [ids[at : at + MOST] for at in range(0, len(ids), MOST)]
        return [run for part in parts for run in self._found({"id": {"any_": part}})]

    def underway(self) -> list[RequestRun]:
        """The first 200 that go on, whoever began them."""
        return self._found({"tags": {"all_": [TAG]}, "state": {"type": {"any_": UNDERWAY}}})

    def cancel(self, run_id: str) -> None:
        """Have whoever runs it end it; nothing where it has ended, or is gone."""
        try:
            RunOrders(self.server).cancel(run_id)
        except PrefectDeclined:
            return
        except PrefectRefused:
            if not all(run.is_over for run in self.named([run_id])):
                raise

    def progress(self, run_id: str) -> float:
        """0 to 1: the run's own progress artifact, else its finished tasks over all so far."""
        mine: dict[str, Any] = {"flow_runs": {"id": {"any_": [run_id]}}}
        told = {"artifacts": {"type": {"any_": ["progress"]}}, "sort": "UPDATED_DESC", "limit": 1}
        for artifact in self.api.ask("POST", "/artifacts/filter", mine | told):
            return min(max(float(artifact["data"]) / 100, 0.0), 1.0)
        every = int(self.api.ask("POST", "/task_runs/count", mine))
        done = {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
        return int(self.api.ask("POST", "/task_runs/count", mine | done)) / every if every else 0.0

    def artifacts(self, run_id: str) -> list[Mapping[str, Any]]:
        """What the run published, the first first: Prefect's artifacts, at most 200."""
        mine = {"flow_runs": {"id": {"any_": [run_id]}}, "sort": "CREATED_DESC", "limit": MOST}
        return list(reversed(self.api.ask("POST", "/artifacts/filter", mine)))

    def _found(self, wanted: Mapping[str, Any]) -> list[RequestRun]:
        found: Sequence[Mapping[str, Any]] = self.api.ask(
            "POST", "/flow_runs/filter", {"flow_runs": wanted, "limit": MOST}
        )
        return [_run(each) for each in found]


def _run(told: Mapping[str, Any]) -> RequestRun:
    state = told["state"] or {}
    return RequestRun(
        id=told["id"],
        job_id=told["idempotency_key"] or "",
        state=state.get("type", "PENDING"),
        message=state.get("message") or "",
    )
