"""Whether any worker could ever serve a version, and the memory that this is judged by."""

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.errors import ModelyardError
from modelyard.serving.errors import NoWorker
from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.fleet_state import WorkerState

SIZE_FACTOR = 1.15
"""Memory of a version that nobody has loaded yet, over the size of its files."""


def estimate_memory(cluster: ClusterState, version: ModelVersion, now: float) -> None:
    """Until somebody has loaded it, a version is held to need no more than the largest worker has.

    That worker is asked, and says itself where it does not fit.
    """
    needs = version.size * SIZE_FACTOR
    if not cluster.replicas.get(version.id):
        fit = [worker for worker in cluster.workers if worker.is_fit]
        left = [w for w in fit if cluster.refused.get((w.index, version.id), 0.0) <= now]
        cluster.needs[version.id] = min(needs, max((w.memory for w in left), default=0.0))
    cluster.needs.setdefault(version.id, needs)


def check_prospects(
    cluster: ClusterState, version: ModelVersion, refusal: ModelyardError | None, now: float
) -> None:
    """Raise NoWorker, or `refusal` (why a worker last would not load it), where nobody can."""
    fit = [worker for worker in cluster.workers if worker.is_fit]
    if not fit:
        raise NoWorker(
            f"No worker is running that could serve {version.ref}.",
            fix="Start one with `modelyard worker`, or everything with `modelyard up`.",
        )
    if refusal is not None and not any(_could(cluster, w, version.id, now) for w in fit):
        raise refusal


def _could(cluster: ClusterState, worker: WorkerState, version: str, now: float) -> bool:
    return worker.is_moving or cluster.may_load(worker, version, now)
