"""A training is run once by Prefect, followed while it runs, and ended as its run ends."""

import json

import pytest
from sqlalchemy import update

from modelyard.flows.prefect.address import Prefect
from modelyard.flows.requests.dispatching import FlowJobs
from modelyard.flows.requests.job_runs import JobRuns
from modelyard.registry.database import utc_now
from modelyard.registry.errors import UnknownDeployment
from modelyard.registry.jobs.job import JobStatus
from modelyard.registry.jobs.tables import JobRow
from tests.flows.requests.conftest import Trainings

pytestmark = pytest.mark.slow(seconds=30)


def test_a_training_is_run_followed_and_ended(trainings: Trainings) -> None:
    """With the job's parameters, the run's own progress, and what the run published."""
    process = trainings.process()
    job = trainings.submit()
    process.take()
    run = trainings.run(job)
    assert (run["parameters"], trainings.job(job).status) == ({"steps": 3}, JobStatus.PROCESSING)
    trainings.set_state(job, "RUNNING")
    artifact = {"type": "progress", "data": 40.0, "flow_run_id": run["id"]}
    trainings.post("/artifacts/", artifact)
    process.follow()  # sees it
    process.follow()  # says it
    assert trainings.job(job).progress == 0.4
    trainings.post(
        "/artifacts/", {"type": "markdown", "key": "loss", "data": "0.1", "flow_run_id": run["id"]}
    )
    trainings.set_state(job, "COMPLETED", "All done.")
    process.follow()
    ended = trainings.job(job)
    result = json.loads(trainings.context.job_book.result(job.id) or b"")
    assert (ended.status, ended.progress, ended.result_status) == (JobStatus.COMPLETED, 1.0, 200)
    assert (result["run_id"], result["message"]) == (run["id"], "All done.")
    assert result["artifacts"] == [{"key": "loss", "type": "markdown", "data": "0.1"}]


def test_progress_without_an_artifact_is_finished_tasks_over_all(trainings: Trainings) -> None:
    """As the run's tasks are now."""
    process = trainings.process()
    job = trainings.submit()
    process.take()
    run_id = trainings.run(job)["id"]
    assert process.runs.progress(run_id) == 0.0
    for number, state in enumerate(("COMPLETED", "COMPLETED", "RUNNING", "PENDING")):
        told = {"type": state, "name": state.capitalize()}
        task = {"flow_run_id": run_id, "task_key": "step", "dynamic_key": str(number)}
        trainings.post("/task_runs/", {**task, "name": f"step-{number}", "state": told})
    assert process.runs.progress(run_id) == 0.5


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("FAILED", JobStatus.FAILED, "flow_failed"),
        ("CRASHED", JobStatus.FAILED, "flow_crashed"),
        ("CANCELLED", JobStatus.CANCELLED, "cancelled"),
    ],
)
def test_a_run_that_ends_badly_says_why(
    trainings: Trainings, state: str, status: JobStatus, code: str
) -> None:
    """Its job has the reason, and no result."""
    process = trainings.process()
    job = trainings.submit()
    process.take()
    trainings.set_state(job, state, "The loss is not a number.")
    process.follow()
    ended = trainings.job(job)
    assert (ended.status, ended.error_code) == (status, code)
    assert state == "CANCELLED" or ended.error == "The loss is not a number."
    assert trainings.context.job_book.result(job.id) is None


def test_a_killed_process_makes_no_second_run(trainings: Trainings) -> None:
    """Whoever takes the job next follows the run there is, whenever the first one was killed."""
    job = trainings.submit()
    killed = trainings.process()
    killed.take()
    run_id = trainings.run(job)["id"]
    killed.give_back()  # as when its lease has lapsed
    heir = trainings.process()
    heir.take()
    assert trainings.run(job)["id"] == run_id
    trainings.set_state(job, "COMPLETED")
    heir.follow()
    assert trainings.job(job).status is JobStatus.COMPLETED


def test_a_cancelled_job_has_its_run_cancelled(trainings: Trainings) -> None:
    """By the process that follows it; by another one where that is dead."""
    left = trainings.submit()
    trainings.process().take()  # nobody hears of this one again
    followed = trainings.submit()
    process = trainings.process()
    process.take()
    for job in (followed, left):
        trainings.set_state(job, "RUNNING")
        trainings.context.job_queue.cancel(job.id)
    process.follow()
    assert trainings.run(followed)["state"]["type"] in {"CANCELLING", "CANCELLED"}
    assert trainings.run(left)["state"]["type"] == "RUNNING"
    process.end_left()
    assert trainings.run(left)["state"]["type"] in {"CANCELLING", "CANCELLED"}


def test_past_its_timeout_its_run_is_cancelled(trainings: Trainings) -> None:
    """The job has failed as every other one does then; nobody computes for it any more."""
    process = trainings.process()
    job = trainings.submit()
    process.take()
    trainings.set_state(job, "RUNNING")
    with trainings.context.db.begin() as session:
        session.execute(update(JobRow).values(deadline=utc_now()))
    trainings.context.job_queue.sweep()
    process.follow()
    assert trainings.job(job).error_code == "timeout"
    assert trainings.run(job)["state"]["type"] in {"CANCELLING", "CANCELLED"}


def test_what_the_deployment_does_not_take_fails_at_once(trainings: Trainings) -> None:
    """With the reason that Prefect gives: its schema is the deployment's."""
    process = trainings.process()
    job = trainings.submit(b'{"steps": "many"}')
    process.take()
    ended = trainings.job(job)
    assert (ended.status, ended.error_code) == (JobStatus.FAILED, "invalid_parameters")
    assert "many" in (ended.error or "")


def test_while_prefect_is_away_jobs_wait(trainings: Trainings) -> None:
    """None is failed, and none counts as tried."""
    there = trainings.process()
    away = FlowJobs(
        there.queue, there.book, there.served, JobRuns(Prefect("http://127.0.0.1:9/api")), "b/1"
    )
    job = trainings.submit()
    away.take()
    waiting = trainings.job(job)
    assert (waiting.status, waiting.attempts) == (JobStatus.QUEUED, 0)


def test_the_deployments_there_are_follow_prefect(trainings: Trainings) -> None:
    """A paused one is not offered; one that is back is."""
    process = trainings.process()
    flow = trainings.context.served_flows.of("training")
    assert (flow.flow, set(flow.parameters), flow.required) == (
        "lora",
        {"steps", "rate"},
        ("steps",),
    )
    path = f"/deployments/{flow.deployment_id}"
    trainings.http.patch(path, json={"paused": True}).raise_for_status()
    process.find_deployed()
    with pytest.raises(UnknownDeployment):
        trainings.context.served_flows.of("training")
