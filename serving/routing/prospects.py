"""Checks whether any worker could serve a version, and estimates the memory it needs."""

from collections.abc import Callable

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.errors import ModelyardError
from modelyard.serving.errors import NoWorker
from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.fleet_state import WorkerState

SIZE_FACTOR = 1.15
"""Estimated memory of a version that was never loaded, as a multiple of its file size."""


def estimate_memory(cluster: ClusterState, version: ModelVersion, now: float) -> None:
    """Estimate a version's memory; capped at the largest worker's until a worker has loaded it.

    So that worker is asked to load it, and refuses if the version does not fit.
    """
    needs = version.size * SIZE_FACTOR
    if not cluster.replicas.get(version.id):
        fit = [worker for worker in cluster.workers if worker.is_fit]
        left = [w for w in fit if cluster.refused.get((w.index, version.id), 0.0) <= now]
        cluster.needs[version.id] = min(needs, max((w.memory for w in left), default=0.0))
    cluster.needs.setdefault(version.id, needs)


def check_prospects(
    cluster: ClusterState,
    version: ModelVersion,
    refusal: ModelyardError | None,
    unfit: Callable[[], str],
    *,
    now: float,
) -> None:
    """Raise NoWorker if no worker is fit, or the last `refusal` if no worker could load it.

    `unfit` says why those that live are not fit.
    """
    fit = [worker for worker in cluster.workers if worker.is_fit]
    if not fit and (reasons := unfit()):
        raise NoWorker(
            f"No device takes work for {version.ref} now: {reasons}.",
            fix="`modelyard gpus maintenance DEVICE --off` ends a maintenance, `modelyard gpus "
            "clear DEVICE` a fault that is mended.",
        )
    if not fit:
        raise NoWorker(
            f"No worker is running that could serve {version.ref}.",
            fix="Start one with `modelyard worker`, or everything with `modelyard up`.",
        )
    if refusal is not None and not any(_could(cluster, w, version.id, now) for w in fit):
        raise refusal


def _could(cluster: ClusterState, worker: WorkerState, version: str, now: float) -> bool:
    return worker.is_moving or cluster.may_load(worker, version, now)
