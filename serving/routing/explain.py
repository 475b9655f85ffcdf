"""Why a request would go where it would: every worker with its terms in seconds."""

from dataclasses import dataclass, replace

from serving.routing.cost import (
    DECODE_WEIGHT,
    LEAST_LOAD_S,
    TOLL_WEIGHT,
    ahead_s,
    cheapest,
    expected_output,
    slot_s,
    toll_s,
)
from serving.routing.fleet_state import PRIORITY_S, Lane, LaneState, Ticket, Worker
from serving.routing.users import Users
from serving.routing.work import Work
from serving.routing.yard import Yard


@dataclass(frozen=True, slots=True)
class Candidate:
    """One worker; times in seconds, `reason` says why it was chosen, lost or cannot.

    `toll_s` is what others would wait for it, added up, `strain` how many times slower the worker
    counts at least, as its hardware throttles itself; 0 where it does not.
    """

    device_id: str
    feasible: bool
    reason: str
    state: str = "absent"
    cached_tokens: int = 0
    queue_s: float = 0.0
    slot_s: float = 0.0
    load_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    toll_s: float = 0.0
    cost_s: float = 0.0
    strain: float = 0.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """`chosen` is a device id, None where nobody can; candidates by falling preference."""

    version: str
    chosen: str | None
    prompt_tokens: int
    expected_output_tokens: float
    decode_weight: float
    toll_weight: float
    candidates: tuple[Candidate, ...]


def explain(yard: Yard, users: Users, work: Work, version: str, now: float) -> Explanation:
    """The decision of this moment, without making it."""
    ticket = Ticket(work, version, now)
    only, shut = users.bound(work), users.shut(work, now)
    choice = cheapest(yard, ticket, now, only, shut)
    found = [
        _candidate(yard, worker, ticket, now, shut)
        if only is None or worker.index in only
        else Candidate(
            worker.device_id, feasible=False, reason="the user's work is bound elsewhere"
        )
        for worker in yard.workers
        if worker.index not in yard.vacant
    ]
    best = choice.lane.worker.device_id if choice.lane else None
    ranked = sorted(found, key=lambda c: (not c.feasible, c.device_id != best, c.cost_s))
    if best is None and ranked and ranked[0].feasible:
        best = ranked[0].device_id
    named = tuple(_judged(c, best, ranked[0]) for c in ranked)
    output = expected_output(yard, ticket)
    return Explanation(version, best, work.prompt_tokens, output, DECODE_WEIGHT, TOLL_WEIGHT, named)


def _candidate(
    yard: Yard, worker: Worker, ticket: Ticket, now: float, shut: frozenset[Lane]
) -> Candidate:
    lane = worker.lanes.get(ticket.version)
    if not worker.is_fit:
        return Candidate(worker.device_id, feasible=False, reason="in error, ejected or gone")
    if lane is None:
        return _cold(yard, worker, ticket, now)
    if lane.state is LaneState.LEAVING:
        return Candidate(worker.device_id, feasible=False, reason="the version is leaving it")
    return _warm(yard, lane, ticket, now, is_shut=lane in shut)


def _warm(yard: Yard, lane: Lane, ticket: Ticket, now: float, *, is_shut: bool) -> Candidate:
    work, worker = ticket.work, lane.worker
    cached = yard.prefixes(ticket.version).match(work.prefix).get(worker.index, 0)
    prefill = max(1, work.prompt_tokens - cached) * lane.prefill_s
    decode = expected_output(yard, ticket) * lane.decode_s
    whole = prefill + decode / worker.slots
    rank = now - work.priority * PRIORITY_S + worker.overtaking.most_s(whole)
    sent = worker.wait_s(now) + worker.others_s
    queue, toll = sent + ahead_s(lane, rank), toll_s(worker, sent, prefill)
    slot = slot_s(lane, is_shut=is_shut)
    ready = lane.state is LaneState.READY
    load = 0.0 if ready else max(lane.ready_at - now, LEAST_LOAD_S)
    cost = queue + slot + load + prefill + decode * DECODE_WEIGHT + toll * TOLL_WEIGHT
    return Candidate(
        worker.device_id,
        feasible=True,
        reason="",
        state=lane.state.value,
        cached_tokens=cached,
        queue_s=queue,
        slot_s=slot,
        load_s=load,
        prefill_s=prefill,
        decode_s=decode,
        toll_s=toll,
        cost_s=cost,
        strain=worker.strain,
    )


def _cold(yard: Yard, worker: Worker, ticket: Ticket, now: float) -> Candidate:
    version = ticket.version
    if worker.memory < yard.needs[version]:
        sizes = f"needs {yard.needs[version]:.0f} bytes, it can give {worker.memory:.0f}"
        return Candidate(worker.device_id, feasible=False, reason=sizes)
    if not yard.may_load(worker, version, now):
        return Candidate(worker.device_id, feasible=False, reason="refused it, or loads another")
    lane = Lane(worker, version, 0.0, yard.speeds.pace(worker.gpu, version))
    lane.learned()
    queue = worker.wait_s(now) + worker.others_s
    prefill = ticket.work.prompt_tokens * lane.prefill_s
    decode = expected_output(yard, ticket) * lane.decode_s
    load = yard.load_s(version)
    cost = max(load, queue) + prefill + decode * DECODE_WEIGHT
    return Candidate(
        worker.device_id,
        feasible=True,
        reason="",
        queue_s=queue,
        load_s=load,
        prefill_s=prefill,
        decode_s=decode,
        cost_s=cost,
        strain=worker.strain,
    )


def _judged(candidate: Candidate, best: str | None, first: Candidate) -> Candidate:
    if not candidate.feasible:
        return candidate
    if candidate.device_id == best:
        reason = "chosen: the least seconds"
    else:
        reason = f"{candidate.cost_s - first.cost_s:.3f} s dearer than the chosen"
    return replace(candidate, reason=reason)
