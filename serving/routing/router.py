"""Reserves an engine for each request, has versions loaded, and learns from what came of it."""

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial

from registry.errors import ModelyardError
from registry.fleet import WorkerView
from registry.names import ModelVersion
from serving.errors import FleetBusy, NoWorker
from serving.routing.census import Census, Snapshot
from serving.routing.dispatcher import Dispatcher
from serving.routing.ejection import Ejection
from serving.routing.explain import Explanation, explain
from serving.routing.fleet_state import LaneState, Ticket, Worker
from serving.routing.loading import Loading
from serving.routing.observed import Observed
from serving.routing.placement import LoadOrder
from serving.routing.reservation import Reservation
from serving.routing.retries import RetryBudget
from serving.routing.running import Running
from serving.routing.suspects import Case, Suspects
from serving.routing.target import Target
from serving.routing.trials import Place, Trials
from serving.routing.upstream import Upstream
from serving.routing.waiting import Waiting
from serving.routing.work import Work
from serving.routing.yard import Yard

BLOCK_TOKENS = 256
REFUSED_S = 10.0
"""Seconds for which a worker that refused a version is not asked for it again."""

TICK_S = 0.25

SIZE_FACTOR = 1.15
"""Memory of a version that nobody has loaded yet, over the size of its files."""


@dataclass(slots=True)
class Router:
    """`reserve` is the way in; one event loop, no locks: a decision and its reservation are one."""

    census: Census
    upstream: Upstream
    running: Running
    load_timeout_s: float
    budget: RetryBudget = field(default_factory=RetryBudget)
    ejection: Ejection = field(default_factory=Ejection)
    core: Dispatcher = field(init=False)
    observed: Observed = field(init=False)
    waiting: Waiting = field(default_factory=Waiting)
    suspects: Suspects = field(default_factory=Suspects)
    trials: Trials = field(init=False)
    loading: Loading = field(init=False)
    _last: Snapshot | None = None
    _ticked_at: float = 0.0

    def __post_init__(self) -> None:
        self.core = Dispatcher(Yard(BLOCK_TOKENS))
        self.trials = Trials(self.core, self.suspects, self.act)
        self.observed = Observed(self.core, self.ejection)
        self.loading = Loading(self.upstream, self.observed, self.load_timeout_s)

    async def reserve(self, version: ModelVersion, work: Work) -> Reservation:
        """A place on an engine, once that can begin with it; loaded where nobody has the version.

        Raises Unavailable with the reason, FleetBusy where too many wait already, and TooBusy where
        too many of one user do while others want to. A load that takes minutes goes on where its
        asker leaves: others may be waiting for it.
        """
        if not self._is_current(version):
            await self._look(version)
        ticket = self.core.submit(work, version.id, time.monotonic())
        try:
            self.act()
            if not ticket.is_sent:
                await self._sent(ticket, version)
        except BaseException:
            self.end(ticket, None)
            raise
        return Reservation(self, version, ticket)

    async def alone(self, case: Case) -> Reservation:
        """A place on an engine that has nothing else, in turn; any once there is no reason for it.

        Raises what `reserve` does, and RequestEndsEngines where its like has been found out.
        """
        version = case.version
        await self._look(version)
        now = time.monotonic()
        nowhere, deadline = Ticket(case.work, version.id, now), now + self.load_timeout_s
        place = self.trials.ask(case)
        try:
            while not place.done():
                self._check(nowhere, version, deadline)
                await asyncio.wait({place}, timeout=TICK_S)
                await self._look(version)
                self._tick()
        except BaseException:
            self._leave(place)
            raise
        ticket = place.result()
        if ticket is None:
            return await self.reserve(version, case.work)
        return Reservation(self, version, ticket)

    def end(self, ticket: Ticket, output_tokens: int | None) -> None:
        """The place is free; of an answer that is complete, the engine has counted its tokens."""
        self.core.finished(ticket, time.monotonic(), output_tokens)
        self.act()

    async def explain(self, version: ModelVersion, work: Work) -> Explanation:
        """Every candidate with its terms, as a request of this moment would be judged."""
        await self._look(version)
        return explain(self.core.yard, self.core.users, work, version.id, time.monotonic())

    def gone(self, target: Target) -> None:
        """An engine did not answer: send nothing there until its worker has brought it back."""
        now = time.monotonic()
        worker = self.observed.lost(target, now)
        lane = worker.lanes.get(target.version_id) if worker else None
        if lane is not None and lane.url == target.url:
            self.budget.granted(lane.busy)
            self.ejection.fell(target.device_id, self.observed.devices, now)
            self._leave_alone(target.device_id, now)
            self.core.lost(lane, now)
        self.census.outdated()
        self.act()

    def worker_of(self, target: Target) -> WorkerView | None:
        """Whose engine it is, or was; None where that has left for good."""
        known = self.observed.worker(target.device_id) is not None
        return self.observed.view(target.device_id) if known else None

    def failed(self, target: Target) -> None:
        """Something went wrong there; enough of it in a row ejects the device for a while."""
        now = time.monotonic()
        self.ejection.failed(target.device_id, self.observed.devices, now)
        self._leave_alone(target.device_id, now)
        self.act()

    def act(self) -> None:
        """Carry out what the dispatcher decided."""
        if not (self.core.orders or self.core.sends):
            return
        orders, self.core.orders = self.core.orders, []
        for order in orders:
            self.loading.begin(order, partial(self._loaded, order))
        sends, self.core.sends = self.core.sends, []
        for ticket in sends:
            self.waiting.wake(ticket)

    def _is_current(self, version: ModelVersion) -> bool:
        """Whether nothing has to be looked at: a fresh view of the fleet, and the version there."""
        fleet, yard = self.census.known(), self.core.yard
        if fleet is None or fleet is not self._last or self.observed.gone:
            return False
        return bool(yard.lanes.get(version.id)) and version.id in yard.needs

    def _leave_alone(self, device_id: str, now: float) -> None:
        worker = self.observed.worker(device_id)
        if worker is not None and self.ejection.is_out(device_id, now):
            self.core.unfit(worker, now)

    async def _look(self, version: ModelVersion) -> None:
        fleet, now = await self.census.now(), time.monotonic()
        if fleet is not self._last:
            self._last = fleet
            self.observed.update(fleet, now)
            for forgotten in self.core.prune(now):
                self.loading.refusals.pop(forgotten, None)
        self._estimate(version)
        self.act()

    def _estimate(self, version: ModelVersion) -> None:
        """What is not known yet is never held to be more than the largest worker: it shall say."""
        yard, now = self.core.yard, time.monotonic()
        if not yard.lanes.get(version.id):
            fit = [w for w in yard.workers if w.is_fit]
            left = [w for w in fit if yard.refused.get((w.index, version.id), 0.0) <= now]
            most = max((w.memory for w in left), default=0.0)
            yard.needs[version.id] = min(version.size * SIZE_FACTOR, most)
        yard.needs.setdefault(version.id, version.size * SIZE_FACTOR)

    async def _sent(self, ticket: Ticket, version: ModelVersion) -> None:
        """Wait until the worker can begin with it."""
        self.waiting.enter(ticket)
        deadline = time.monotonic() + self.load_timeout_s
        try:
            while not ticket.is_sent:
                self._check(ticket, version, deadline)
                await self.waiting.news(ticket, TICK_S)
                if not ticket.is_sent:
                    await self._look(version)
                    self._tick()
        finally:
            self.waiting.leave(ticket)

    def _leave(self, place: Place) -> None:
        """Who waited for it has gone."""
        if place.cancel() or place.exception() is not None:
            return
        ticket = place.result()
        if ticket is not None:
            self.end(ticket, None)

    def _tick(self) -> None:
        """One of all that wait does it for all."""
        now = time.monotonic()
        if now - self._ticked_at >= TICK_S:
            self._ticked_at = now
            self.core.tick(now)
            self.act()

    def _check(self, ticket: Ticket, version: ModelVersion, deadline: float) -> None:
        """Raise where waiting is in vain."""
        now, yard = time.monotonic(), self.core.yard
        if now > deadline:
            raise FleetBusy(
                f"No worker came free for {version.ref} in {self.load_timeout_s:.0f} s.",
                fix="Add a worker, or try again later.",
            )
        fit = [w for w in yard.workers if w.is_fit]
        if ticket.lane is not None or any(_could(yard, w, version.id, now) for w in fit):
            return
        if fit and version.id in self.loading.refusals:
            raise self.loading.refusals[version.id]
        if not fit:
            raise NoWorker(
                f"No worker is running that could serve {version.ref}.",
                fix="Start one with `modelyard worker`, or everything with `modelyard up`.",
            )

    def _loaded(self, order: LoadOrder, error: ModelyardError | None) -> None:
        lane, now = order.lane, time.monotonic()
        self.census.outdated()
        if error is not None and lane.state is LaneState.LOADING:
            self.core.yard.refused[(lane.worker.index, lane.version)] = now + REFUSED_S
            self.core.lost(lane, now)
        self.act()
        if error is not None:
            self.waiting.wake_all()


def _could(yard: Yard, worker: Worker, version: str, now: float) -> bool:
    return worker.is_moving or yard.may_load(worker, version, now)
