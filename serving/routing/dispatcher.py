"""Decides where work goes and when it is sent: pure, on the clock it is given."""

from collections import deque
from dataclasses import dataclass, field

from serving.routing.cost import Choice, cheapest, expected_output
from serving.routing.fleet_state import Lane, LaneState, Ticket, Worker
from serving.routing.learning import learn_answer, learn_prompt
from serving.routing.moves import Mover
from serving.routing.placement import LoadOrder, Move
from serving.routing.stealing import best_steal, earlier
from serving.routing.users import Users
from serving.routing.work import Work
from serving.routing.yard import EVICT_S, Yard

LOOKAHEAD_S = 0.5
"""A worker is sent what it begins within this time; the rest is held and may still go elsewhere."""


@dataclass(slots=True)
class Dispatcher:
    """Reservations are made here, at once; what is to be done is left in `sends` and `orders`."""

    yard: Yard
    mover: Mover = field(init=False)
    users: Users = field(default_factory=Users)
    sends: list[Ticket] = field(default_factory=list[Ticket])
    orders: list[LoadOrder] = field(default_factory=list[LoadOrder])
    _moves: dict[int, tuple[Lane, tuple[Lane, ...]]] = field(
        default_factory=dict[int, tuple[Lane, tuple[Lane, ...]]]
    )
    _held: int = 0  # by all workers

    def __post_init__(self) -> None:
        self.mover = Mover(self.yard)

    # Requests

    def submit(self, work: Work, version: str, now: float) -> Ticket:
        """Reserve a place: sent as soon as the worker can begin with it."""
        ticket = Ticket(work, version, now)
        self.users.asked(work, now)
        self.yard.demands.of(version).arrived(work.prompt_tokens, now)
        if not self._bind(ticket, now):
            self.yard.orphan(ticket)
        return ticket

    def also(self, first: Ticket, lane: Lane, cached: int, now: float) -> Ticket:
        """Reserve one more place for a request that has one: it was asked for once."""
        ticket = Ticket(first.work, first.version, now)
        self._give(ticket, lane, cached, now)
        return ticket

    def alone(self, work: Work, lane: Lane, now: float) -> Ticket:
        """Send a request at once, before all that is held, to a lane that is kept for it."""
        ticket = Ticket(work, lane.version, now)
        self._take(ticket, lane, 0, now)
        self._send(ticket, lane, now)
        return ticket

    def first_token(self, ticket: Ticket, now: float, cached: int | None = None) -> None:
        """A prompt is computed; `cached` where the engine says how much of it it had."""
        lane = ticket.lane
        if lane is None or not ticket.is_sent or ticket.first_at is not None:
            return
        worker, took = lane.worker, lane.worker.computed(ticket, now)
        ticket.first_at, ticket.prompts_before = now, worker.prompts
        tokens = ticket.uncached if cached is None else max(1, ticket.work.prompt_tokens - cached)
        self.yard.demands.of(ticket.version).computed(tokens)
        if took is not None:
            learn_prompt(ticket, lane, tokens, took)
        worker.settled()
        ticket.concurrency = worker.concurrency
        self._go_on(worker, now)

    def finished(self, ticket: Ticket, now: float, output_tokens: int | None = None) -> None:
        """The request is over, answered with so many tokens or not at all; twice is as once."""
        if ticket.is_over:
            return
        ticket.is_over = True
        lane = ticket.lane
        if lane is None:
            self.yard.orphans[ticket.version].remove(ticket)
            return
        if not ticket.is_sent:
            self._unbind(ticket)
            return
        if output_tokens is not None:
            self.yard.demands.of(ticket.version).answered(output_tokens)
            lane.worker.stayed(now - ticket.sent_at)
            if ticket.first_at is not None:
                learn_answer(ticket, lane, output_tokens, now - ticket.first_at)
        lane.worker.leave(ticket, now)
        if output_tokens is None and ticket.first_at is None:
            lane.worker.prompts -= ticket.uncached  # nobody has seen it computed
        self.users.left(ticket.work, lane.worker.index)
        self.users.ended(ticket, lane, now)
        lane.busy -= 1
        lane.used_at = now
        lane.worker.settled()
        self._go_on(lane.worker, now)

    def _bind(self, ticket: Ticket, now: float) -> bool:
        only = self.users.bound(ticket.work) if ticket.work.gpu_limit else None
        shut = self.users.shut(ticket.work, now)
        choice = cheapest(self.yard, ticket, now, only, shut)
        is_short = choice.cost > self.yard.load_s(ticket.version)
        if is_short and only is None and not self.yard.is_everywhere(ticket.version):
            move = self._move_for(ticket, choice, now)
            if move is not None:
                self.begin(move, now)
                choice = cheapest(self.yard, ticket, now, shut=shut)
        if choice.lane is None:
            return False
        self._give(ticket, choice.lane, choice.cached, now)
        return True

    def _move_for(self, ticket: Ticket, choice: Choice, now: float) -> Move | None:
        if choice.lane is None:
            return self.mover.turn(ticket.version, now)
        more = self.mover.more(ticket.version, ticket.work.prompt_tokens, choice.cost, now)
        return more or self.mover.better(ticket.version, now)

    def _give(self, ticket: Ticket, lane: Lane, cached: int, now: float) -> None:
        worker, may_begin = lane.worker, self.users.may_begin(ticket.work, lane, now)
        self._take(ticket, lane, cached, now)
        if worker.is_plain and may_begin and _is_soon(worker, lane, now):
            self._send(ticket, lane, now)
            return
        worker.hold(ticket, lane)
        self.users.waits(ticket.work)
        self._held += 1
        self._pump(worker, now)

    def _take(self, ticket: Ticket, lane: Lane, cached: int, now: float) -> None:
        output = expected_output(self.yard, ticket)
        ticket.bind(lane, max(1, ticket.work.prompt_tokens - cached), output)
        lane.busy += 1
        lane.used_at = now
        if ticket.work.prefix:
            self.yard.prefixes(lane.version).add(lane.worker.index, ticket.work.prefix)
        self.users.took(ticket.work, lane.worker.index)

    def _unbind(self, ticket: Ticket) -> None:
        lane = ticket.lane
        if lane is not None:
            self._release(ticket, lane)
            self.yard.retract(ticket, lane)
            self.users.left(ticket.work, lane.worker.index)
            lane.busy -= 1
            ticket.lane = None

    def _pump(self, worker: Worker, now: float) -> None:
        """Send what the worker can begin soon."""
        while worker.held and worker.has_slot:
            ticket = self.users.first(worker.held, now)
            if ticket is None or ticket.lane is None or not _is_soon(worker, ticket.lane, now):
                return
            self._release(ticket, ticket.lane)
            self._send(ticket, ticket.lane, now)

    def _release(self, ticket: Ticket, lane: Lane) -> None:
        lane.worker.release(ticket, lane)
        self.users.goes_on(ticket.work)
        self._held -= 1

    def _send(self, ticket: Ticket, lane: Lane, now: float) -> None:
        lane.worker.send(ticket, now)
        lane.worker.settled()
        self.users.began(ticket.work, lane)
        self.sends.append(ticket)

    def _steal(self, worker: Worker, now: float) -> None:
        """One that is free takes what others hold, begins sooner here, and is before its own."""
        while worker.is_open and worker.wait_s(now) <= LOOKAHEAD_S:
            own = self.users.first(worker.held, now)
            if own is None:
                found = best_steal(self.yard, self.users, worker, now)
            else:
                found = earlier(self.yard, self.users, worker, own, now)
            if found is None:
                return
            self._unbind(found.ticket)
            self._give(found.ticket, found.lane, found.cached, now)

    # The fleet

    def tick(self, now: float) -> None:
        """Time has passed: what waits may go on, and versions may be wanted in more places."""
        for lane, _ in self._moves.values():
            lane.ready_at = max(lane.ready_at, now + self.yard.load_s(lane.version) + 1.0)
        for worker in self.yard.workers:
            worker.recent.passed(now)
            self._go_on(worker, now)
        for version in self.mover.waits(now):
            self.begin(self.mover.better(version, now), now)

    def loaded(self, lane: Lane, now: float) -> None:
        """A version answers from now on."""
        lane.ready_at = now
        lane.state = LaneState.KEPT if lane.is_kept else LaneState.READY
        self._go_on(lane.worker, now)

    def freed(self, worker: Worker, now: float) -> None:
        """Other gateways have less work there than before."""
        self._go_on(worker, now)

    def lost(self, lane: Lane, now: float) -> None:
        """A version is no longer there: what was held for it goes elsewhere."""
        pending = self._moves.get(lane.worker.index)
        if pending is not None and pending[0] is lane:
            del self._moves[lane.worker.index]
            lane.worker.is_moving = False
        self.yard.drop_lane(lane)
        self._rebind([t for t in lane.worker.held if t.lane is lane], now)

    def unfit(self, worker: Worker, now: float) -> None:
        """A worker gets no work for now: what is held for it goes elsewhere."""
        worker.is_fit = False
        self._rebind([*worker.held], now)

    def prune(self, now: float) -> list[str]:
        """Nothing is remembered for ever; returns the versions that were forgotten."""
        self.users.prune(now)
        forgotten = self.yard.prune(now)
        for version in forgotten:
            self.mover.forget(version)
        return forgotten

    def _go_on(self, worker: Worker, now: float) -> None:
        if self._moves:
            self._load_if_idle(worker, now)
        if worker.held:
            self._steal(worker, now)
            self._pump(worker, now)
        if self._held and not worker.held:
            self._steal(worker, now)
        for queue in [*self.yard.orphans.values()] if self.yard.orphans else ():
            self._place(queue, now)

    def _place(self, queue: deque[Ticket], now: float) -> None:
        """In turn; who has to wait for a device of its own user lets the others pass."""
        passed = 0
        while passed < len(queue):
            ticket = queue[passed]
            if self._bind(ticket, now):
                del queue[passed]
            elif self.users.bound(ticket.work) is None:
                return
            else:
                passed += 1

    def _rebind(self, tickets: list[Ticket], now: float) -> None:
        for ticket in tickets:
            self._unbind(ticket)
        for ticket in tickets:
            if not self._bind(ticket, now):
                self.yard.orphan(ticket)

    def begin(self, move: Move | None, now: float) -> None:
        """Its victims get nothing new from now on; the load begins once they are idle."""
        if move is None:
            return
        worker, version = move.worker, move.version
        for victim in move.victims:
            victim.state = LaneState.LEAVING
        drain_s = worker.turn_s * worker.slots / 2 if any(v.busy for v in move.victims) else 0.0
        ready = now + drain_s + self.yard.load_s(version) + EVICT_S * len(move.victims)
        lane = self.yard.add_lane(worker, version, now, state=LaneState.LOADING, ready_at=ready)
        worker.is_moving = True
        self._moves[worker.index] = (lane, move.victims)
        self._rebind([t for t in worker.held if t.lane in move.victims], now)
        self._load_if_idle(worker, now)

    def _load_if_idle(self, worker: Worker, now: float) -> None:
        lane, victims = self._moves.get(worker.index, (None, ()))
        if lane is None or any(v.busy for v in victims):
            return
        del self._moves[worker.index]
        worker.is_moving = False
        for victim in victims:
            self.yard.drop_lane(victim)
        lane.ready_at = now + self.yard.load_s(lane.version) + EVICT_S * len(victims)
        self.orders.append(LoadOrder(lane, tuple(v.version for v in victims)))


def _is_soon(worker: Worker, lane: Lane, now: float) -> bool:
    """Whether it begins soon; where nobody has measured how fast prompts are, nothing is held."""
    return worker.wait_s(now) <= LOOKAHEAD_S or not lane.pace.prefill.known
