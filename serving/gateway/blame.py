"""Decides whether a request that was on an engine when it ended caused that end."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import Enum

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.fleet.fleet import WorkerView
from modelyard.registry.logs import logger
from modelyard.serving.errors import RequestEndsEngines, WorkerUnreachable
from modelyard.serving.gateway.request import GatewayRequest
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.reservation import Reservation
from modelyard.serving.routing.router import Router
from modelyard.serving.routing.suspicion.suspects import Case, Stage, Suspects
from modelyard.serving.upstream.client import Upstream
from modelyard.serving.upstream.stream import Reply
from modelyard.serving.upstream.target import Target

LATEST = 8
"""The number of latest requests on an ended engine to suspect; a cause ends its engine soon."""

ASKED_S = 3.0
EACH_S = 2.0
BETWEEN_S = 0.05
"""Seconds for which a worker is asked how an engine ended: in all, per try, and between tries."""

LATELY_S = 10.0
MOST_DEATHS = 256

_log = logger("modelyard.gateway")


class Ended(Enum):
    """How an engine ended, according to its worker."""

    ITSELF = "the process ended without being told to"
    TOLD = "its worker had it end"
    WITH_WORKER = "its worker does not answer either"
    NOT = "it is there: only a connection broke"


@dataclass(slots=True, eq=False)
class Death:
    """The end of one engine, shared by all requests that it had.

    `ages` are the seconds that it had each of those requests; `tried` is the one that ran alone
    there as a suspect, if any.
    """

    at: float
    how: asyncio.Task[Ended]
    ages: list[float] = field(default_factory=list[float])
    tried: Case | None = None


@dataclass(slots=True)
class Blame:
    """Retries suspect requests alone on an engine; refuses one that ends that engine too."""

    router: Router
    upstream: Upstream
    _deaths: dict[str, Death] = field(default_factory=dict[str, Death])
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @property
    def suspects(self) -> Suspects:
        return self.router.suspects

    def recall(
        self, request: GatewayRequest, version: ModelVersion, work: RoutedRequest
    ) -> Case | None:
        """The case if an equal request is suspected, else None; raises RequestEndsEngines."""
        case = self.suspects.case(version, work, request.path, request.body)
        known = self.suspects.recall(case.digest, time.monotonic())
        if known is None:
            return None
        case.stage = Stage.WAITING
        case.age_s = known.age_s
        case.began = known.began
        return case

    def lost(self, request: GatewayRequest, held: Reservation, *, began: bool) -> Death | None:
        """Record that the engine of `held` ended with the request; `began`: it had begun to answer.

        Returns the death, or None if the request was sent after the engine ended.
        """
        pending = held.pending
        case = request.case
        if case is None:
            case = self.suspects.case(held.version, pending.work, request.path, request.body)
            request.case = case
        return self.met(case, held.target, time.monotonic() - pending.sent_at, began=began)

    def met(self, case: Case, target: Target, age_s: float, *, began: bool) -> Death | None:
        """Record that an engine ended after having a request for `age_s`; suspects its repeats.

        Returns None if the request was sent after that: a kept-alive connection or the accept
        queue still took it.
        """
        now = time.monotonic()
        death = self._death(target, now)
        if death.at < now - age_s:
            return None
        death.ages.append(age_s)
        if case.stage is Stage.TRIED:
            death.tried = case
        else:
            case.age_s = age_s
            case.began = began
        self.suspects.watch(case, now)
        return death

    async def judge(self, case: Case, death: Death | None) -> bool:
        """Whether to try the request again; sets `case.stage` to WAITING if it must run alone.

        `death` is None if the request did not reach its engine. Raises RequestEndsEngines if the
        request ended an engine while it ran alone there.
        """
        if death is not None:
            await asyncio.wait({death.how})
        if death is None or death.how.result() is not Ended.ITSELF:
            self._again(case)
        elif death.tried is case:
            _tell(case)
            raise self.suspects.refuse(case, time.monotonic())
        elif death.tried is not None:
            self._let_go(case)
        else:
            case.deaths += 1
            later = sum(age < case.age_s for age in death.ages)
            if later < LATEST or case.deaths > 1:
                case.stage = Stage.WAITING
            else:
                self._let_go(case)
            return not case.was_tried
        return True

    def broke(self, request: GatewayRequest, held: Reservation) -> None:
        """Judge a request whose answer broke off at the client: only its repeats can be tried."""
        death = self.lost(request, held, began=True)
        case = request.case
        if case is None or death is None:
            return
        task = asyncio.ensure_future(_quietly(self.judge(case, death)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def proved(self, case: Case, reply: Reply) -> None:
        """Hold an answer's first bytes until no trial can break it off; raises EngineGone."""
        if reply.streamed:
            while not (reply.response.is_over or case.may_go_on):  # noqa: ASYNC110  of two parties
                await asyncio.sleep(BETWEEN_S)
        if not reply.streamed or reply.response.is_over:
            self._let_go(case)

    def _again(self, case: Case) -> None:
        """The engine did not crash: repeat a trial, and clear any other request."""
        if case.stage is Stage.TRIED:
            case.stage = Stage.WAITING
        else:
            self._let_go(case)

    def _let_go(self, case: Case) -> None:
        case.stage = Stage.ORDINARY
        case.may_go_on = True
        self.suspects.clear(case)

    def _death(self, target: Target, now: float) -> Death:
        death = self._deaths.get(target.url)
        if death is None or now - death.at > LATELY_S:
            death = Death(now, asyncio.ensure_future(self._how(target)))
            self._deaths[target.url] = death
            if len(self._deaths) > MOST_DEATHS:
                del self._deaths[next(iter(self._deaths))]
        return death

    async def _how(self, target: Target) -> Ended:
        """Ask the worker how its engine ended, repeatedly, since it may not have noticed yet."""
        worker = self.router.worker_of(target)
        if worker is None:
            return Ended.WITH_WORKER
        deadline = time.monotonic() + ASKED_S
        while (ended := await self._asked(worker, target)) is Ended.NOT:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(BETWEEN_S)
        return ended

    async def _asked(self, worker: WorkerView, target: Target) -> Ended:
        try:
            engines = await self.upstream.engines(worker, timeout_s=EACH_S)
        except WorkerUnreachable:
            return Ended.WITH_WORKER
        now = next((e for e in engines if e.version_id == target.version_id), None)
        if now is not None and now.url == target.url:
            return Ended.NOT
        return Ended.ITSELF if now is not None and now.restarts else Ended.TOLD


async def _quietly(judging: Coroutine[None, None, bool]) -> None:
    """Await `judging` and ignore RequestEndsEngines, which was logged already."""
    try:
        await judging
    except RequestEndsEngines:
        return


def _tell(case: Case) -> None:
    """Log for the operator whose request ends engines."""
    _log.error(
        "a request ends engines",
        request_id=case.work.request_id,
        user_id=case.work.user_id,
        model=case.version.ref,
    )
