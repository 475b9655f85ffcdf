"""What a worker that is free should take of the work that others hold."""

from collections.abc import Iterator
from dataclasses import dataclass

from serving.routing.fleet_state import Lane, Ticket, Worker
from serving.routing.users import Users
from serving.routing.yard import Yard

STEAL_DEPTH = 8
LEAST_STEAL_S = 0.05


@dataclass(frozen=True, slots=True)
class Steal:
    """A held request would begin `gain_s` sooner in a lane that has `cached` of its prompt."""

    gain_s: float
    ticket: Ticket
    lane: Lane
    cached: int


def best_steal(yard: Yard, users: Users, worker: Worker, now: float) -> Steal | None:
    """What gains most by beginning on `worker`; None where too little gains enough."""
    holders = [other for other in yard.workers if other.held and other is not worker]
    steals = (steal for other in holders for steal in _of(yard, users, worker, other, now))
    best = max(steals, key=lambda steal: steal.gain_s, default=None)
    return best if best is not None and best.gain_s > LEAST_STEAL_S else None


def earlier(yard: Yard, users: Users, worker: Worker, own: Ticket, now: float) -> Steal | None:
    """What others hold that begins before `own`, the first of it that gains by beginning here."""
    turn, holders = users.turn(own, now), list[tuple[tuple[float, float], int]]()
    for index, other in enumerate(yard.workers):
        if other.held and other is not worker:
            first = users.turn(users.front(other.held, 1, now)[0], now)
            if first < turn:
                holders.append((first, index))
    for _, index in sorted(holders):
        for steal in _of(yard, users, worker, yard.workers[index], now):
            is_before = users.turn(steal.ticket, now) < turn
            if is_before and steal.gain_s > LEAST_STEAL_S and _is_new(steal.ticket):
                return steal
    return None


def _is_new(ticket: Ticket) -> bool:
    """Whether nothing of it is known where it is held: else all would wait for more work."""
    return ticket.uncached >= ticket.work.prompt_tokens


def _of(yard: Yard, users: Users, worker: Worker, other: Worker, now: float) -> Iterator[Steal]:
    """What the first that another holds would gain, each behind those before it there."""
    ahead = other.wait_s(now) + (other.turn_s if other.is_full else 0.0)
    for ticket in users.front(other.held, STEAL_DEPTH, now):
        lane, theirs = worker.lanes.get(ticket.version), ticket.lane
        ours = users.may_have(ticket.work, worker.index)
        if lane and theirs and ours and users.may_begin(ticket.work, lane, now):
            cached = yard.prefixes(ticket.version).match(ticket.work.prefix)
            lane.learned()
            had = cached.get(worker.index, 0) if cached else 0
            own = max(1, ticket.work.prompt_tokens - had) * lane.prefill_s
            there = max(ahead, theirs.ready_at - now) + ticket.prefill_s
            yield Steal(there - own - worker.wait_s(now), ticket, lane, had)
        ahead += ticket.prefill_s
