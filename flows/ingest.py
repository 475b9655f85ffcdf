"""Bring one model from the Hub into the registry: fetched, checked, built, measured, registered."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run as this_run

from flows import work
from flows.job import FLOW, Job, clear_away, open_job
from flows.order import Order
from flows.steps.built import Build
from flows.steps.candidate import Choice
from flows.steps.choose import choose
from flows.steps.hub import Snapshot
from flows.steps.resolve import resolve
from registry.errors import IndexUnavailable, MlflowUnavailable, ModelyardError
from registry.names import ModelVersion, StoredFile

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State, TaskRun
    from prefect.flows import Flow
    from prefect.tasks import Task


def _may_pass(
    task: "Task[..., Any]",  # noqa: ARG001 - Prefect's signature
    task_run: "TaskRun",  # noqa: ARG001 - same
    state: "State[Any]",
) -> bool:
    """A server that is away may be back; the rest of our own errors stay what they are."""
    outcome = state.result(raise_on_failure=False)
    if isinstance(outcome, ModelyardError):
        return isinstance(outcome, IndexUnavailable | MlflowUnavailable)
    return isinstance(outcome, Exception)


# No task is cached by Prefect: the registry remembers, by content, what was done.
@task(name="resolve", cache_policy=NO_CACHE, persist_result=False)
def look_up(job: Job) -> Snapshot:
    job.run.step("resolve")
    return resolve(job.yard.settings.hub, job.order.repo, job.order.revision)


@task(name="download", cache_policy=NO_CACHE, persist_result=False)
def fetch(job: Job, snapshot: Snapshot, choice: Choice) -> work.Fetched:
    return work.fetch(job, snapshot, choice)


@task(name="build", cache_policy=NO_CACHE, persist_result=False)
def build(job: Job, fetched: work.Fetched, snapshot: Snapshot) -> list[Build]:
    return work.build(job, fetched, snapshot)


@task(name="evaluate", cache_policy=NO_CACHE, persist_result=False)
def evaluate(job: Job, built: Build) -> dict[str, float]:
    return work.evaluate(job, built)


@task(
    name="register",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=[1, 10],
    retry_condition_fn=_may_pass,
)
def register(
    job: Job,
    snapshot: Snapshot,
    built: Build,
    papers: Sequence[StoredFile],
    metrics: dict[str, float],
) -> ModelVersion:
    return work.register(job, snapshot, built, papers, metrics)


@task(name="follow-up", cache_policy=NO_CACHE, persist_result=False)
def follow_up(job: Job) -> list[str]:
    return work.follow_up(job)


def _on_cancellation(
    flow: "Flow[..., Any]",  # noqa: ARG001 - Prefect's signature
    flow_run: "FlowRun",
    state: "State[Any]",  # noqa: ARG001 - same
) -> None:
    clear_away(str(flow_run.id))


@flow(
    name=FLOW,
    flow_run_name="{repo}@{revision}",
    persist_result=False,
    on_cancellation=[_on_cancellation],
)
def ingest(  # noqa: PLR0913, PLR0917 - Prefect's form shows a field for each
    repo: str,
    revision: str = "main",
    file: str | None = None,
    quantize: Sequence[str] = (),
    name: str | None = None,
    eval_text: str | None = None,
    memory_gb: float | None = None,
    owner_id: str | None = None,
    *,
    private: bool = False,
    allow_requantize: bool = False,
) -> list[str]:
    """Ingest a model; returns its versions as model@number, those that were there included."""
    order = Order(
        repo=repo, revision=revision, file=file, quantize=tuple(quantize), name=name,
        eval_text=eval_text, memory_gb=memory_gb, owner_id=owner_id, private=private,
        allow_requantize=allow_requantize,
    )  # fmt: skip
    with open_job(order, this_run.get_id() or "") as job:
        snapshot = look_up(job)
        choice = choose(snapshot, order.wish(job.yard.device_memory()))
        with job.alone(choice):
            known = job.yard.known.versions(order.model, snapshot, choice, order.quantize)
            if known:
                order.check_kept(known)
                return job.finish(known, follow_up(job), new=False)
            fetched = fetch(job, snapshot, choice)
            builds = build(job, fetched, snapshot)
            measured = [evaluate(job, built) for built in builds]
            versions = [
                register(job, snapshot, built, fetched.papers, metrics)
                for built, metrics in zip(builds, measured, strict=True)
            ]
            return job.finish(versions, follow_up(job), new=True)
