"""The loop that takes jobs from the queue when there is room, and has them run."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.database import utc_now
from modelyard.registry.jobs.backlog import QueueBacklog
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.job import Claim
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.jobs.wake_up import JobSignal, JobWakeUp
from modelyard.registry.logs import logger
from modelyard.serving.background_task import background_task
from modelyard.serving.jobs.dispatch.in_hand import JobsInHand
from modelyard.serving.jobs.dispatch.keeping import LeaseKeeper
from modelyard.serving.jobs.dispatch.lane import JobLane
from modelyard.serving.jobs.dispatch.places import BACKGROUND, JobPlaces, ModelPlaces
from modelyard.serving.jobs.dispatch.settling import JobSettler
from modelyard.serving.jobs.running.job_run import JobRunner, JobTry
from modelyard.serving.jobs.running.outcome import TIMED_OUT, Later
from modelyard.serving.observability.job_stats import JobStats

FLOOR_S = 1.0
"""Seconds between looks for new work where a wake-up tells of it, and where none does, POLL_S."""

POLL_S = 0.25
BUSY_S = 0.05
"""Seconds until room is looked for again while jobs wait."""

REST_SHARE = 10.0
"""Reading what waits is not begun again for so many times as long as it took."""

MOST_AWAY_S = 10.0
"""Seconds between looks at most while the database is away."""

MOST_CLAIMED = 64
"""Jobs of one model that one claim takes at most."""

MOST_IN_HAND = 1024

AGED_S = 60.0
"""Background jobs that have waited so long are also taken in urgent places, in the order of all."""

GRACE_S = 5.0
"""Seconds that running jobs have to end before the process does."""

_log = logger("modelyard.jobs")

ModelBacklog = dict[str, list[QueueBacklog]]


@dataclass(slots=True, eq=False)
class JobDispatcher:
    """Claims jobs by `claimer`, which is this process' name and its boot; `at_work` runs it."""

    queue: JobQueue
    book: JobBook
    wake_up: JobWakeUp
    runner: JobRunner
    places: ModelPlaces
    claimer: str
    stats: JobStats
    in_hand: JobsInHand
    lane: JobLane = field(default_factory=JobLane)
    settler: JobSettler = field(init=False)
    keeper: LeaseKeeper = field(init=False)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: ModelBacklog = field(default_factory=dict[str, "list[QueueBacklog]"])
    _look_at: float = 0.0
    _rest_until: float = 0.0
    _failures: int = 0
    _is_idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._is_idle.set()
        self.settler = JobSettler(self.queue, self.lane, self.stats)
        self.keeper = LeaseKeeper(
            self.queue, self.book, self.wake_up, self.lane, self.claimer, self.in_hand, self.stats
        )

    @asynccontextmanager
    async def at_work(self) -> AsyncGenerator[None]:
        """Dispatch while the block runs; then give back what has not begun, and await the rest."""
        try:
            async with (
                background_task(self.settler.run()),
                background_task(self.keeper.run()),
            ):
                try:
                    async with (
                        background_task(self.wake_up.listen(self.heard)),
                        background_task(self._run()),
                    ):
                        yield
                finally:
                    await self._leave()
        finally:
            await self.lane.close()

    @property
    def is_reading(self) -> bool:
        """Whether the last look into the queue was answered."""
        return not self._failures

    def heard(self, signal: JobSignal) -> None:
        """Look now: somebody has handed a job in, or cancelled one."""
        if signal is JobSignal.CANCELLED:
            self.keeper.look_soon()
        else:
            self._look_at = 0.0
            self._news.set()

    async def _run(self) -> None:
        while True:
            self._news.clear()
            took = 0
            try:
                took = await self._turn()
                self._failures = 0
            except SQLAlchemyError as error:
                self._failures += 1
                _log.warning("jobs_not_claimed", reason=str(error).splitlines()[0])
            except Exception:  # noqa: BLE001  whatever it is, it is logged and tried again
                self._failures += 1
                _log.exception("the dispatcher stumbled")
            if not took:
                await self._wait()

    async def _wait(self) -> None:
        if self._failures:
            await asyncio.sleep(min(MOST_AWAY_S, POLL_S * 2**self._failures))
            return
        floor_s = FLOOR_S if self.wake_up.is_heard else POLL_S
        with suppress(TimeoutError):
            async with asyncio.timeout(BUSY_S if self._waiting else floor_s):
                await self._news.wait()

    async def _turn(self) -> int:
        """Take what there is room for; gives how many were taken."""
        await self._look()
        if not self._waiting or len(self.in_hand) >= MOST_IN_HAND:
            return 0
        found = {model: await self.places.of(model) for model in [*self._waiting]}
        urgent = {m: p.urgent for m, p in found.items() if p.urgent and self._is_urgent(m)}
        took = await self._claim(urgent, found, BACKGROUND + 1)
        left = {m: p for m, p in found.items() if m in self._waiting and p.background}
        background = {m: p.background - took[m] for m, p in left.items()}
        more = await self._claim(background, found, BACKGROUND)
        return sum(took.values()) + sum(more.values())

    async def _look(self) -> None:
        """Read what waits, where there is news; for a long queue, whose reading costs, seldom."""
        begun = time.monotonic()
        if begun < max(self._look_at, self._rest_until):
            return
        lines = await self.lane.do(self.queue.backlog)
        now = time.monotonic()
        self._look_at = now + POLL_S
        self._rest_until = now + REST_SHARE * (now - begun)
        waiting = defaultdict[str, list[QueueBacklog]](list)
        by_priority = Counter[int]()
        for line in lines:
            waiting[line.model].append(line)
            by_priority[line.priority] += line.waiting
        self._waiting = dict(waiting)
        self.stats.waiting = by_priority

    def _is_urgent(self, model: str) -> bool:
        """Whether something other than fresh background work waits for a model."""
        return any(line.priority > BACKGROUND or _is_aged(line) for line in self._waiting[model])

    async def _claim(
        self, wanted: Mapping[str, int], found: Mapping[str, JobPlaces], least_priority: int
    ) -> Mapping[str, int]:
        """Claim and begin; a model of which less came than wanted has nothing more of that kind."""
        taken = defaultdict[str, int](int)
        wanted = {model: min(most, MOST_CLAIMED) for model, most in wanted.items() if most > 0}
        if not wanted:
            return taken
        aged = [m for m in wanted if any(_is_aged(line) for line in self._waiting[m])]
        request = ClaimRequest(models=wanted, least_priority=BACKGROUND if aged else least_priority)
        claims = await asyncio.shield(asyncio.ensure_future(self._take(request, found)))
        for claim in claims:
            taken[claim.job.model] += 1
        for model, most in wanted.items():
            if taken[model] < most:
                self._drop(model, request.least_priority)
        return taken

    async def _take(self, request: ClaimRequest, found: Mapping[str, JobPlaces]) -> Sequence[Claim]:
        """Claim, and begin what was claimed, even if this process is about to end."""
        self._is_idle.clear()
        begun = time.monotonic()
        try:
            claims = await self.lane.do(self.queue.claim, self.claimer, request)
            self.stats.claim.observe(time.monotonic() - begun)
            self._begin(claims, found)
        finally:
            self._is_idle.set()
        return claims

    def _drop(self, model: str, least_priority: int) -> None:
        """Nothing of this priority or above waits any more, until the next look."""
        left = [line for line in self._waiting.get(model, ()) if line.priority < least_priority]
        if left:
            self._waiting[model] = left
        else:
            self._waiting.pop(model, None)

    def _begin(self, claims: Sequence[Claim], found: Mapping[str, JobPlaces]) -> None:
        for claim in claims:
            self.stats.claimed += 1
            waited = utc_now() - claim.job.submitted_at
            self.stats.queue.observe(max(0.0, waited.total_seconds()))
            run = JobTry(claim, found[claim.job.model].version_id)
            self.in_hand.begin(run, self._work(run))

    async def _work(self, run: JobTry) -> None:
        """Run a job within its time, and have its outcome written down."""
        left = run.claim.job.deadline - utc_now()
        try:
            async with asyncio.timeout(left.total_seconds()):
                outcome = await self.runner.outcome(run)
        except TimeoutError:
            outcome = TIMED_OUT
        except asyncio.CancelledError:
            outcome = Later("The process that had it in hand was stopped.", wait_s=0.0)
        self._news.set()  # a place is free
        if not run.is_lost:
            await self.settler.settle(run, run.located(outcome))

    async def _leave(self) -> None:
        """Give back what no engine has; the rest has GRACE_S to end, and is given back then."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_idle.wait(), GRACE_S)
        await asyncio.sleep(0)  # what was claimed just now has its task begun
        self.in_hand.stop([run for run in self.in_hand if run.running is None])
        if tasks := self.in_hand.tasks():
            await asyncio.wait(tasks, timeout=GRACE_S)
        self.in_hand.stop([run for run in self.in_hand if not run.is_answered])
        if tasks := self.in_hand.tasks():
            _, late = await asyncio.wait(tasks, timeout=GRACE_S)
            for task in late:  # the queue takes nothing: their leases end by themselves
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _is_aged(line: QueueBacklog) -> bool:
    return (utc_now() - line.oldest_at).total_seconds() > AGED_S
