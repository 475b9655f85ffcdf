"""Estimates when a job begins and ends, from learned speeds and what is queued ahead of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.fleet_state import Replica

PLACE_LEFT = 0.5
"""Part of a place's turn that has still to pass, on average, when somebody looks."""


@dataclass(frozen=True, slots=True)
class JobWork:
    """What one job takes: tokens of its prompt, and at most of its answer; 0 where none is written.

    `expected_s` are the seconds that its submitter expects, which then count instead.
    """

    prompt_tokens: float
    output_tokens: float
    expected_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ahead:
    """The jobs that begin before it: how many, and what one of them takes on average."""

    jobs: int
    each: JobWork


NOTHING_AHEAD = Ahead(0, JobWork(0, 0))


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds from now until a job begins, and then until it ends; neither is below zero."""

    start_s: float
    run_s: float


@dataclass(frozen=True, slots=True)
class _ReplicaPace:
    """One replica: how many jobs at a time, how many of these places are free, and its speeds.

    Seconds per token are those with all places taken; `ready_s` until it is loaded.
    """

    places: int
    free: int
    prefill_s: float
    decode_s: float
    ready_s: float
    prompts_s: float

    def run_s(self, work: JobWork, mean_output: float, others_prompt: float = 0.0) -> float:
        """From a job's begin to its end; others' answers stand still while a prompt is computed.

        `others_prompt` is the length of those that the other places begin meanwhile.
        """
        if work.expected_s is not None:
            return work.expected_s
        output = min(work.output_tokens, mean_output)
        prompts = work.prompt_tokens + others_prompt * (self.places - 1)
        return prompts * self.prefill_s + output * self.decode_s

    def rate(self, work: JobWork, mean_output: float) -> float:
        """Such jobs a second with all places taken."""
        return self.places / max(1e-6, self.run_s(work, mean_output, work.prompt_tokens))


def estimate(
    cluster: ClusterState, version_id: str, work: JobWork, ahead: Ahead, *, now: float
) -> Estimate | None:
    """The estimate for a job of a version; None where no device could take it now.

    `now` is the router's clock, in seconds.
    """
    paces = _paces(cluster, version_id, now)
    if not paces:
        return None
    mean = cluster.demands.of(version_id).output
    free = sum(pace.free for pace in paces)
    waiting = ahead.jobs + _held(cluster, version_id)
    run_s = min(pace.run_s(work, mean) for pace in paces)
    start_s = min(pace.ready_s + pace.prompts_s for pace in paces)
    if waiting >= free:
        each = ahead.each if ahead.jobs else work
        rate = sum(pace.rate(each, mean) for pace in paces)
        ready_s = min(pace.ready_s for pace in paces)
        start_s = max(start_s, ready_s + (waiting - free + PLACE_LEFT) / rate)
        run_s = min(pace.run_s(work, mean, each.prompt_tokens) for pace in paces)
    return Estimate(max(0.0, start_s), max(0.0, run_s))


def _paces(cluster: ClusterState, version_id: str, now: float) -> Sequence[_ReplicaPace]:
    """Of each replica that takes work; without one, of the device on which it would be loaded."""
    replicas = cluster.replicas.get(version_id, ())
    here = [r for r in replicas if r.is_staying and r.worker.is_fit]
    if here:
        return [_pace(replica, now) for replica in here]
    fit = [worker for worker in cluster.workers if worker.is_fit]
    coming = [cluster.coming_replica(worker, version_id, now) for worker in fit]
    return [_pace(replica, now) for replica in coming[:1]]


def _pace(replica: Replica, now: float) -> _ReplicaPace:
    worker = replica.worker
    places = max(1, replica.places)
    taken = replica.busy - replica.held
    of_worker = worker.slots - worker.sent - round(worker.others)
    slowness = worker.slowness
    return _ReplicaPace(
        places=places,
        free=max(0, min(places - taken, of_worker)),
        prefill_s=replica.pace.prefill.at(places) * slowness,
        decode_s=replica.pace.decode.at(places) * slowness,
        ready_s=max(0.0, replica.ready_at - now),
        prompts_s=worker.wait_s(now),
    )


def _held(cluster: ClusterState, version_id: str) -> int:
    """Requests of the version that have come to the router and were not sent yet."""
    held = sum(replica.held for replica in cluster.replicas.get(version_id, ()))
    return held + len(cluster.orphans.get(version_id, ()))
