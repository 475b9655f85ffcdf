"""Suspects are tried one at a time, each alone with an engine, and nobody else is harmed by it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from registry.names import ModelVersion
from serving.errors import RequestEndsEngines
from serving.routing.dispatcher import Dispatcher
from serving.routing.explain import explain
from serving.routing.fleet_state import Lane, LaneState, Ticket
from serving.routing.suspects import Case, Stage, Suspects
from serving.routing.trials import Place, Trials
from serving.routing.work import Work
from serving.routing.yard import Yard
from tests.serving.site import Site

pytestmark = pytest.mark.anyio

ENGINES = 2


@dataclass(slots=True)
class Court:
    """Two engines of one version, and trials of requests to it."""

    version: ModelVersion
    core: Dispatcher = field(default_factory=lambda: Dispatcher(Yard(256)))
    suspects: Suspects = field(default_factory=Suspects)
    trials: Trials = field(init=False)

    def __post_init__(self) -> None:
        self.trials = Trials(self.core, self.suspects, lambda: None)
        self.core.yard.needs[self.version.id] = 1.0
        for number in range(ENGINES):
            worker = self.core.yard.add_worker(f"gpu-{number}", "card", 8)
            worker.memory = 10.0
            self.core.yard.add_lane(worker, self.version.id, 0.0)

    @property
    def lanes(self) -> list[Lane]:
        return self.core.yard.lanes[self.version.id]

    def suspect(self, name: str, age_s: float = 0.0, *, began: bool = False) -> tuple[Case, Place]:
        body = f'{{"prompt": "{name}"}}'.encode()
        case = self.suspects.case(self.version, Work(name, "ada"), "/v1/completions", body)
        case.stage, case.age_s, case.began = Stage.WAITING, age_s, began
        self.suspects.watch(case, time.monotonic())
        return case, self.trials.ask(case)

    def ask(self, name: str = "r") -> Ticket:
        """Any other request."""
        return self.core.submit(Work(name, "eve"), self.version.id, time.monotonic())

    def end(self, ticket: Ticket | None) -> None:
        assert ticket is not None
        self.core.finished(ticket, time.monotonic(), 5)

    async def is_shared(self) -> None:
        await until(lambda: {lane.state for lane in self.lanes} == {LaneState.READY})


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.01)


async def given(place: Place) -> Ticket:
    """Where it is tried."""
    async with asyncio.timeout(60):
        ticket = await place
    assert ticket is not None
    assert ticket.is_sent
    return ticket


@pytest.fixture
def court(site: Site) -> Court:
    return Court(site.shelf.add("talker"))


async def test_what_is_kept_gets_nothing_new_until_it_is_shared_again(court: Court) -> None:
    """An idle engine is chosen; others' requests go elsewhere or wait; `explain` says why."""
    busy = court.ask()
    _, place = court.suspect("a")
    ticket = await given(place)
    assert busy.lane is not None
    assert ticket.lane not in (None, busy.lane)
    others = [court.ask(f"r{n}") for n in range(20)]
    assert [other for other in others if other.is_sent and other.lane is ticket.lane] == []
    told = explain(
        court.core.yard, court.core.users, Work("w", "eve"), court.version.id, time.monotonic()
    )
    assert {c.state: c.load_s >= 1.0 for c in told.candidates} == {"ready": False, "kept": True}
    for one in (ticket, busy, *others):
        court.end(one)
    await court.is_shared()
    assert all(lane.busy == lane.held == 0 for lane in court.lanes)


async def test_the_youngest_is_the_first_and_never_two_at_a_time(court: Court) -> None:
    """What had been in the engine for the shortest time is the likeliest to have ended it."""
    tried = list[str]()

    async def trial(name: str, age_s: float) -> None:
        case, place = court.suspect(name, age_s)
        ticket = await given(place)
        assert case.stage is Stage.TRIED
        assert sum(lane.busy for lane in court.lanes) == 1
        tried.append(name)
        court.end(ticket)

    await asyncio.gather(trial("old", 3.0), trial("young", 1.0), trial("middle", 2.0))
    assert tried == ["young", "middle", "old"]
    await court.is_shared()


async def test_one_that_is_cleared_waits_with_its_answer_for_the_next(court: Court) -> None:
    """So that nobody's stream breaks: its client has nothing yet, and it can be asked again."""
    (first, one), (second, two) = court.suspect("a", 1.0), court.suspect("b", 2.0)
    answered = await given(one)
    court.core.first_token(answered, time.monotonic())
    ticket = await given(two)
    assert (first.stage, first.may_go_on, second.stage) == (Stage.CLEARED, False, Stage.TRIED)
    assert ticket.lane is answered.lane
    assert court.suspects.recall(first.digest, time.monotonic()) is None
    court.end(ticket)
    await until(lambda: first.may_go_on)
    court.end(answered)
    await court.is_shared()


async def test_nobody_is_tried_beside_a_stranger(court: Court) -> None:
    """With no idle engine it waits for one: neither has anything new until then."""
    busy = [court.ask(f"r{n}") for n in range(ENGINES)]
    _, place = court.suspect("a")
    await asyncio.wait({place}, timeout=0.5)
    assert not place.done()
    assert {lane.state for lane in court.lanes} == {LaneState.READY}
    court.end(busy[1])
    ticket = await given(place)
    assert ticket.lane is not busy[0].lane
    for one in (busy[0], ticket):
        court.end(one)
    await court.is_shared()


async def test_a_busy_engine_is_kept_at_last_and_finishes_what_it_has(court: Court) -> None:
    """Where none comes free for long: it gets nothing new, and the trial begins once it is idle."""
    court.trials.patience_s = 0.2
    court.core.yard.demands.of(court.version.id).load_s = 0.01
    busy = [court.ask(f"r{n}") for n in range(ENGINES)]
    _, place = court.suspect("a")
    await until(lambda: any(lane.state is LaneState.KEPT for lane in court.lanes))
    (lane,) = [lane for lane in court.lanes if lane.state is LaneState.KEPT]
    await asyncio.wait({place}, timeout=0.3)
    assert not place.done()
    for one in busy:
        court.end(one)
    ticket = await given(place)
    assert ticket.lane is lane
    court.end(ticket)
    await court.is_shared()


async def test_what_is_withheld_goes_out_while_nobody_is_tried_beside_it(court: Court) -> None:
    """A client waits so long for others' trials and no longer; the next waits until it is over."""
    court.trials.withheld_s = 0.0
    (first, one), (_, two) = court.suspect("a", 1.0), court.suspect("b", 2.0)
    answered = await given(one)
    court.core.first_token(answered, time.monotonic())
    await until(lambda: first.may_go_on)
    await asyncio.wait({two}, timeout=0.3)
    assert not two.done()
    court.end(answered)
    court.end(await given(two))
    await court.is_shared()


async def test_nothing_withheld_goes_out_beside_one_that_is_tried(court: Court) -> None:
    """However long it has waited: the one beside it may end the engine yet."""
    (first, one), (_, two) = court.suspect("a", 1.0), court.suspect("b", 2.0)
    answered = await given(one)
    court.core.first_token(answered, time.monotonic())
    tried = await given(two)
    court.trials.withheld_s = 0.0
    await asyncio.sleep(0.3)
    assert not first.may_go_on
    court.end(tried)
    await until(lambda: first.may_go_on)
    court.end(answered)
    await court.is_shared()


async def test_a_stream_that_had_begun_is_alone_for_its_time(court: Court) -> None:
    """Its first byte proves nothing: its engine ended after that."""
    case, place = court.suspect("a", 0.1, began=True)
    ticket = await given(place)
    court.core.first_token(ticket, time.monotonic())
    await asyncio.sleep(0.3)
    assert case.stage is Stage.TRIED
    await until(lambda: case.stage is Stage.CLEARED)
    assert time.monotonic() - ticket.sent_at >= case.alone_s
    court.end(ticket)
    await court.is_shared()


async def test_what_is_found_out_or_cleared_is_so_for_all_like_it(court: Court) -> None:
    """The like of one that is refused is refused, and of one that is cleared need not be alone."""
    (case, place), (_, like) = court.suspect("a"), court.suspect("a")
    ticket = await given(place)
    court.suspects.refuse(case, time.monotonic())
    with pytest.raises(RequestEndsEngines):
        await like
    court.end(ticket)
    (_, place), (_, like) = court.suspect("b"), court.suspect("b")
    ticket = await given(place)
    court.core.first_token(ticket, time.monotonic())
    assert await like is None
    court.end(ticket)
    await court.is_shared()


async def test_a_version_that_nobody_has_is_loaded_and_kept(court: Court) -> None:
    """Who waits for it meanwhile is not sent before the trial is over."""
    for lane in [*court.lanes]:
        court.core.lost(lane, time.monotonic())
    _, place = court.suspect("a")
    await until(lambda: bool(court.lanes) and court.lanes[0].is_kept)
    lane, other = court.lanes[0], court.ask()
    assert lane.state is LaneState.LOADING
    court.core.loaded(lane, time.monotonic())
    ticket = await given(place)
    assert (lane.state, other.lane, other.is_sent) == (LaneState.KEPT, lane, False)
    court.end(ticket)
    await until(lambda: other.is_sent)
    court.end(other)


async def test_who_leaves_keeps_no_engine(court: Court) -> None:
    """A client that goes while it waits, or while it is tried, costs nobody anything."""
    _, waits = court.suspect("a")
    waits.cancel()
    await court.is_shared()
    _, place = court.suspect("b")
    court.end(await given(place))
    await court.is_shared()
