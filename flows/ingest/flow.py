"""Ingests one model from the Hub: fetch, check, build, measure, register."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run as this_run

from modelyard.flows.context import open_context
from modelyard.flows.ingest import tasks
from modelyard.flows.ingest.request import IngestRequest
from modelyard.flows.ingest.run import FLOW, IngestRun, open_job, refusals_shown
from modelyard.flows.ingest.settling import settled_when_aborted
from modelyard.flows.ingest.undo import undo
from modelyard.flows.runs.cancellation import stopped_when_cancelled
from modelyard.flows.runs.record import record_of
from modelyard.flows.steps.build.built import BuiltModel
from modelyard.flows.steps.choose.candidate import FileSelection
from modelyard.flows.steps.choose.choose import choose
from modelyard.flows.steps.choose.quantizations import Makeable
from modelyard.flows.steps.hub.hub import HubSnapshot
from modelyard.flows.steps.hub.resolve import check_access, resolve
from modelyard.registry.catalog.model import ModelVersion, StoredFile
from modelyard.registry.errors import IndexUnavailable, MlflowUnavailable, ModelyardError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State, TaskRun
    from prefect.flows import Flow
    from prefect.tasks import Task


def _may_pass(
    task: "Task[..., Any]",  # noqa: ARG001 - Prefect's signature
    task_run: "TaskRun",  # noqa: ARG001 - same
    state: "State[Any]",
) -> bool:
    """Retry while a server may come back; our other errors are final."""
    outcome = state.result(raise_on_failure=False)
    if isinstance(outcome, ModelyardError):
        return isinstance(outcome, IndexUnavailable | MlflowUnavailable)
    return isinstance(outcome, Exception)


# Prefect caches no task: the registry records finished work by content.
@task(name="resolve", cache_policy=NO_CACHE, persist_result=False)
def look_up(run: IngestRun) -> HubSnapshot:
    run.run.step("resolve")
    hub = run.hub_for("resolve")
    return resolve(hub, run.request.repo, run.request.revision)


@task(name="download", cache_policy=NO_CACHE, persist_result=False)
def fetch(run: IngestRun, snapshot: HubSnapshot, choice: FileSelection) -> tasks.Fetched:
    return tasks.fetch(run, snapshot, choice)


@task(name="build", cache_policy=NO_CACHE, persist_result=False)
def build(run: IngestRun, fetched: tasks.Fetched, snapshot: HubSnapshot) -> list[BuiltModel]:
    return tasks.build(run, fetched, snapshot)


@task(name="evaluate", cache_policy=NO_CACHE, persist_result=False)
def evaluate(run: IngestRun, built: BuiltModel) -> dict[str, float]:
    return tasks.evaluate(run, built)


@task(
    name="register",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=2,
    retry_delay_seconds=[1, 10],
    retry_condition_fn=_may_pass,
)
def register(
    run: IngestRun,
    snapshot: HubSnapshot,
    built: BuiltModel,
    companion_files: Sequence[StoredFile],
    *,
    metrics: dict[str, float],
) -> ModelVersion:
    return tasks.register(run, snapshot, built, companion_files, metrics=metrics)


@task(name="follow-up", cache_policy=NO_CACHE, persist_result=False)
def follow_up(run: IngestRun) -> list[str]:
    return tasks.follow_up(run)


def _on_cancellation(
    flow: "Flow[..., Any]",  # noqa: ARG001 - Prefect's signature
    flow_run: "FlowRun",
    state: "State[Any]",  # noqa: ARG001 - same
) -> None:
    with open_context() as context:
        undo(context, record_of(context.registry.data_dir, str(flow_run.id)))


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
    quantize: Sequence[Makeable] = (),
    name: str | None = None,
    eval_text: str | None = None,
    memory_gb: float | None = None,
    owner_id: str | None = None,
    *,
    private: bool = False,
    allow_requantize: bool = False,
) -> list[str]:
    """Ingest a model; returns its versions as model@number, those that were there included."""
    with refusals_shown(f"{repo}@{revision}"):
        request = IngestRequest(
            repo=repo, revision=revision, file=file, quantize=tuple(quantize), name=name,
            eval_text=eval_text, memory_gb=memory_gb, owner_id=owner_id, private=private,
            allow_requantize=allow_requantize,
        )  # fmt: skip
    run_id = this_run.get_id() or ""
    with settled_when_aborted(), open_job(request, run_id) as run, stopped_when_cancelled(run_id):
        snapshot = look_up(run)
        request = request.called(snapshot.repo)
        run = replace(run, request=request)  # noqa: PLW2901 - the same run, by its right name
        choice = choose(snapshot, request.wish(run.context.device_memory()))
        check_access(run.hub_for("resolve"), snapshot, choice.model.parts[0])
        with run.alone(choice):
            known = run.context.known.versions(request.model, snapshot, choice, request.quantize)
            if known:
                request.check_kept(known)
                return run.finish(known, follow_up(run), new=False)
            fetched = fetch(run, snapshot, choice)
            builds = build(run, fetched, snapshot)
            measured = [evaluate(run, built) for built in builds]
            versions = [
                register(run, snapshot, built, fetched.companion_files, metrics=metrics)
                for built, metrics in zip(builds, measured, strict=True)
            ]
            return run.finish(versions, follow_up(run), new=True)
