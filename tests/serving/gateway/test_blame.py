"""Who is suspected once an engine has gone: that is for its worker to say."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.errors import RequestEndsEngines
from modelyard.serving.gateway.blame import LATEST, Blame, Death
from modelyard.serving.routing.fleet.snapshot import FleetSnapshotCache
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.router import Router
from modelyard.serving.routing.suspicion.suspects import Case, Stage
from modelyard.serving.upstream.client import Upstream
from modelyard.serving.upstream.target import Target
from tests.serving.installation import ALIVE_S, NOBODY, TOKEN, Installation

pytestmark = pytest.mark.anyio

WAS = "http://127.0.0.1:1001"
IS = "http://127.0.0.1:1002"
CRASHED = (IS, 1)
"""It is there again, and its worker counts one restart."""


@dataclass(slots=True)
class WorkerStandIn:
    """Says of its one engine what it is told to, the last of it for good; nothing: it has none."""

    states: list[tuple[str, int] | None] = field(default_factory=list[tuple[str, int] | None])
    version_id: str = ""

    async def state(self, _request: web.Request) -> web.Response:
        told = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        engines = list[dict[str, object]]()
        if told is not None:
            engines = [{"version_id": self.version_id, "url": told[0], "restarts": told[1]}]
        return web.json_response({"engines": engines, "device": {}})

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        app = web.Application()
        app.router.add_get("/state", self.state)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        await runner.cleanup()


@dataclass(frozen=True, slots=True)
class Bench:
    """What is judged, and by whom."""

    blame: Blame
    version: ModelVersion

    def met(
        self, name: str, age_s: float = 1.0, stage: Stage = Stage.ORDINARY
    ) -> tuple[Case, Death]:
        """An engine has ended that had a request for so long."""
        case, death = self.noticed(name, age_s, stage)
        assert death is not None
        return case, death

    def noticed(self, name: str, age_s: float, stage: Stage) -> tuple[Case, Death | None]:
        case = self.blame.suspects.case(
            self.version, RoutedRequest(name, "ada"), "/v1/completions", b"{}"
        )
        case.digest = name.encode()
        case.stage = stage
        case.was_tried = stage in (Stage.TRIED, Stage.CLEARED)
        target = Target(self.version.id, "cpu-0", WAS)
        return case, self.blame.met(case, target, age_s, began=False)


@asynccontextmanager
async def bench(
    installation: Installation, *states: tuple[str, int] | None
) -> AsyncGenerator[Bench]:
    """One worker that says these; with nothing to say it is not there."""
    version = installation.filled.add("talker")
    worker = WorkerStandIn(list(states), version.id)
    async with worker.running() as url, Upstream.open(TOKEN, silent_s=60) as upstream:
        installation.worker("cpu-0", url if states else NOBODY)
        installation.ready(version, WAS)
        router = Router(
            FleetSnapshotCache(installation.fleet, ALIVE_S),
            upstream,
            load_timeout_s=60,
        )
        await router.explain(version, RoutedRequest("w", "ada"))  # it has seen the fleet
        yield Bench(Blame(router, upstream), version)


async def test_an_engine_that_ended_by_itself_makes_suspects(installation: Installation) -> None:
    """Its worker has noticed after a moment, and has restarted it or not: the latest are tried."""
    async with bench(installation, (WAS, 0), (WAS, 0), ("", 1)) as court:
        case, death = court.met("a")
        assert await court.blame.judge(case, death)
        assert case.stage is Stage.WAITING
        assert len(court.blame.suspects) == 1


@pytest.mark.parametrize(
    "states",
    [
        pytest.param([], id="the worker is gone"),
        pytest.param([None], id="it was unloaded"),
        pytest.param([(IS, 0)], id="it was unloaded and loaded again"),
        pytest.param([(WAS, 3)], id="only the connection broke"),
    ],
)
async def test_nobody_is_suspected_of_what_was_no_crash(
    installation: Installation, states: list[tuple[str, int] | None]
) -> None:
    """All go on as any other; one that was being tried is tried once more."""
    async with bench(installation, *states) as court:
        case, death = court.met("a")
        tried, _ = court.met("b", stage=Stage.TRIED)
        assert await court.blame.judge(case, death)
        assert await court.blame.judge(tried, death)
        assert (case.stage, tried.stage) == (Stage.ORDINARY, Stage.WAITING)
        assert len(court.blame.suspects) == 1


async def test_who_did_not_reach_its_engine_is_tried_once_more(installation: Installation) -> None:
    """It was gone before: the next place is one alone again, and no engine anybody's fault."""
    async with bench(installation, CRASHED) as court:
        tried, _ = court.met("a", stage=Stage.TRIED)
        assert await court.blame.judge(tried, None)
        assert tried.stage is Stage.WAITING


async def test_who_was_sent_after_the_end_has_no_part_in_it(installation: Installation) -> None:
    """A dead engine's connections take what comes for a moment: that is nobody's trial."""
    async with bench(installation, CRASHED) as court:
        court.met("a")
        await asyncio.sleep(0.02)
        tried, death = court.noticed("b", 0.01, Stage.TRIED)
        assert death is None
        assert await court.blame.judge(tried, death)
        assert tried.stage is Stage.WAITING


async def test_who_was_tried_is_refused_and_who_was_beside_it_is_not(
    installation: Installation,
) -> None:
    """One that was cleared goes on as if nothing had been."""
    async with bench(installation, CRASHED) as court:
        cleared, death = court.met("a", stage=Stage.CLEARED)
        tried, _ = court.met("b", stage=Stage.TRIED)
        assert await court.blame.judge(cleared, death)
        with pytest.raises(RequestEndsEngines):
            await court.blame.judge(tried, death)
        assert cleared.stage is Stage.ORDINARY
        with pytest.raises(RequestEndsEngines):
            court.blame.suspects.recall(tried.digest, 0.0)


async def test_the_latest_are_suspected_first(installation: Installation) -> None:
    """Who had been there before them is so once a second engine has ended."""
    async with bench(installation, CRASHED) as court:
        met = [court.met(f"r{n}", age_s=float(n)) for n in range(LATEST + 3)]
        assert all([await court.blame.judge(case, death) for case, death in met])
        stages = [case.stage for case, _ in met]
        assert stages == [Stage.WAITING] * LATEST + [Stage.ORDINARY] * 3
        (oldest, death) = met[-1]
        assert await court.blame.judge(oldest, death)
        assert oldest.stage is Stage.WAITING


async def test_who_was_tried_and_meets_another_end_is_out(installation: Installation) -> None:
    """It is not refused as one that ends engines; should it come again, it is tried alone."""
    async with bench(installation, CRASHED) as court:
        case, death = court.met("a", stage=Stage.CLEARED)
        assert not await court.blame.judge(case, death)
        assert court.blame.suspects.recall(case.digest, 0.0) is not None
