"""How many jobs of a version the fleet can take now without delaying live traffic."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.jobs.running.job_run import JobTry
from modelyard.serving.routing.policy.fleet_state import PendingRequest, Replica
from modelyard.serving.routing.policy.stealing import LOOKAHEAD_S
from modelyard.serving.routing.router import Router

AHEAD_SHARE = 4
"""One job in so many slots may wait in the router, so that an engine's batch stays full."""

KEPT_SHARE = 8
"""One slot in so many stays free of background work while there is live traffic."""


@dataclass(frozen=True, slots=True)
class RoomView:
    """What a version's workers have at this moment, in requests.

    `slots` are all places of its replicas, `free` those that nobody has. `live` are requests of
    clients that hold one, `live_waiting` those that wait for one. `is_prompt` says whether a prompt
    that is sent now is computed soon.
    """

    slots: int = 0
    free: int = 0
    live: int = 0
    live_waiting: int = 0
    jobs_waiting: int = 0
    is_prompt: bool = True

    def urgent(self, in_hand: int) -> int:
        """Places for jobs that compete like live requests of their priority.

        They may wait in the router for their turn, a few of them, where nobody else does. Without
        a replica one may come, for which the version is loaded.
        """
        if not self.slots:
            return max(0, 1 - in_hand)
        if self.live_waiting or self.jobs_waiting:
            return 0
        return self.free + max(1, self.slots // AHEAD_SHARE)

    def background(self, in_hand: int) -> int:
        """Places for work that only fills what everybody else leaves free."""
        if not self.slots:
            return max(0, 1 - in_hand)
        if self.live_waiting or self.jobs_waiting or not self.is_prompt:
            return 0
        kept = max(1, self.slots // KEPT_SHARE) if self.live else 0
        return max(0, self.free - kept)


def view_of(router: Router, version: ModelVersion, runs: Sequence[JobTry], now: float) -> RoomView:
    """The room for a version; `runs` are this process' jobs that are for it."""
    fit = [r for r in router.core.cluster.replicas.get(version.id, ()) if _is_fit(r)]
    at_work = [run for run in runs if not run.is_answered]
    ours = {run.claim.job.id for run in at_work}
    waiting = [t.work.request_id in ours for t in _waiting(router, version.id, fit)]
    in_engines = sum(run.running is not None for run in at_work)
    on_their_way = max(0, len(at_work) - in_engines - sum(waiting))
    sent = sum(replica.busy - replica.held for replica in fit)
    return RoomView(
        slots=sum(replica.places for replica in fit),
        free=max(0, sum(map(_free, fit)) - on_their_way),
        live=max(0, sent - in_engines) + round(sum(r.worker.others for r in fit)),
        live_waiting=len(waiting) - sum(waiting),
        jobs_waiting=sum(waiting),
        is_prompt=not fit or any(r.worker.wait_s(now) <= LOOKAHEAD_S for r in fit),
    )


def _is_fit(replica: Replica) -> bool:
    return replica.is_staying and replica.worker.is_fit


def _free(replica: Replica) -> int:
    worker = replica.worker
    of_worker = worker.slots - worker.sent - round(worker.others)
    return max(0, min(of_worker, replica.places - (replica.busy - replica.held)))


def _waiting(router: Router, version_id: str, fit: list[Replica]) -> Iterator[PendingRequest]:
    """Requests that wait for a worker of the version, whichever version they are for."""
    for replica in fit:
        yield from replica.worker.held
    yield from router.core.cluster.orphans.get(version_id, ())
