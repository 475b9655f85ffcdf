"""Suspects are tried one at a time, each alone with an engine, and nobody else is harmed by it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.errors import RequestEndsEngines
from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.explain import explain
from modelyard.serving.routing.policy.fleet_state import PendingRequest, Replica, ReplicaState
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.routing.suspicion.suspects import Case, Stage, Suspects
from modelyard.serving.routing.suspicion.trials import Place, Trials
from tests.serving.installation import Installation
from tests.serving.routing.decided import Decided

pytestmark = pytest.mark.anyio

ENGINES = 2


@dataclass(slots=True)
class Court:
    """Two engines of one version, and trials of requests to it."""

    version: ModelVersion
    core: Dispatcher = field(default_factory=lambda: Decided().dispatcher(ClusterState(256)))
    suspects: Suspects = field(default_factory=Suspects)
    trials: Trials = field(init=False)

    def __post_init__(self) -> None:
        self.trials = Trials(self.core, self.suspects)
        self.core.cluster.needs[self.version.id] = 1.0
        for number in range(ENGINES):
            worker = self.core.cluster.add_worker(f"gpu-{number}", "card", 8)
            worker.memory = 10.0
            self.core.cluster.add_replica(worker, self.version.id, 0.0)

    @property
    def replicas(self) -> list[Replica]:
        return self.core.cluster.replicas[self.version.id]

    def suspect(self, name: str, age_s: float = 0.0, *, began: bool = False) -> tuple[Case, Place]:
        body = f'{{"prompt": "{name}"}}'.encode()
        case = self.suspects.case(self.version, RoutedRequest(name, "ada"), "/v1/completions", body)
        case.stage = Stage.WAITING
        case.age_s = age_s
        case.began = began
        self.suspects.watch(case, time.monotonic())
        return case, self.trials.ask(case)

    def ask(self, name: str = "r") -> PendingRequest:
        """Any other request."""
        return self.core.submit(RoutedRequest(name, "eve"), self.version.id, time.monotonic())

    def end(self, pending: PendingRequest | None) -> None:
        assert pending is not None
        self.core.finished(pending, time.monotonic(), 5)

    async def is_shared(self) -> None:
        await until(lambda: {replica.state for replica in self.replicas} == {ReplicaState.READY})


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.01)


async def given(place: Place) -> PendingRequest:
    """Where it is tried."""
    async with asyncio.timeout(60):
        pending = await place
    assert pending is not None
    assert pending.is_sent
    return pending


@pytest.fixture
def court(installation: Installation) -> Court:
    return Court(installation.filled.add("talker"))


async def test_what_is_kept_gets_nothing_new_until_it_is_shared_again(court: Court) -> None:
    """An idle engine is chosen; others' requests go elsewhere or wait; `explain` says why."""
    busy = court.ask()
    _, place = court.suspect("a")
    pending = await given(place)
    assert busy.replica is not None
    assert pending.replica not in (None, busy.replica)
    others = [court.ask(f"r{n}") for n in range(20)]
    assert [other for other in others if other.is_sent and other.replica is pending.replica] == []
    told = explain(
        court.core.cluster,
        court.core.users,
        RoutedRequest("w", "eve"),
        court.version.id,
        now=time.monotonic(),
    )
    assert {c.state: c.load_s >= 1.0 for c in told.candidates} == {"ready": False, "kept": True}
    for one in (pending, busy, *others):
        court.end(one)
    await court.is_shared()
    assert all(replica.busy == replica.held == 0 for replica in court.replicas)


async def test_the_youngest_is_the_first_and_never_two_at_a_time(court: Court) -> None:
    """What had been in the engine for the shortest time is the likeliest to have ended it."""
    tried = list[str]()

    async def trial(name: str, age_s: float) -> None:
        case, place = court.suspect(name, age_s)
        pending = await given(place)
        assert case.stage is Stage.TRIED
        assert sum(replica.busy for replica in court.replicas) == 1
        tried.append(name)
        court.end(pending)

    await asyncio.gather(trial("old", 3.0), trial("young", 1.0), trial("middle", 2.0))
    assert tried == ["young", "middle", "old"]
    await court.is_shared()


async def test_one_that_is_cleared_waits_with_its_answer_for_the_next(court: Court) -> None:
    """So that nobody's stream breaks: its client has nothing yet, and it can be asked again."""
    (first, one) = court.suspect("a", 1.0)
    (second, two) = court.suspect("b", 2.0)
    answered = await given(one)
    court.core.first_token(answered, time.monotonic())
    pending = await given(two)
    assert (first.stage, first.may_go_on, second.stage) == (Stage.CLEARED, False, Stage.TRIED)
    assert pending.replica is answered.replica
    assert court.suspects.recall(first.digest, time.monotonic()) is None
    court.end(pending)
    await until(lambda: first.may_go_on)
    court.end(answered)
    await court.is_shared()


async def test_nobody_is_tried_beside_a_stranger(court: Court) -> None:
    """With no idle engine it waits for one: neither has anything new until then."""
    busy = [court.ask(f"r{n}") for n in range(ENGINES)]
    _, place = court.suspect("a")
    await asyncio.wait({place}, timeout=0.5)
    assert not place.done()
    assert {replica.state for replica in court.replicas} == {ReplicaState.READY}
    court.end(busy[1])
    pending = await given(place)
    assert pending.replica is not busy[0].replica
    for one in (busy[0], pending):
        court.end(one)
    await court.is_shared()


async def test_a_busy_engine_is_kept_at_last_and_finishes_what_it_has(court: Court) -> None:
    """Where none comes free for long: it gets nothing new, and the trial begins once it is idle."""
    court.trials.patience_s = 0.2
    court.core.cluster.demands.of(court.version.id).load_s = 0.01
    busy = [court.ask(f"r{n}") for n in range(ENGINES)]
    _, place = court.suspect("a")
    await until(lambda: any(replica.state is ReplicaState.KEPT for replica in court.replicas))
    (replica,) = [replica for replica in court.replicas if replica.state is ReplicaState.KEPT]
    await asyncio.wait({place}, timeout=0.3)
    assert not place.done()
    for one in busy:
        court.end(one)
    pending = await given(place)
    assert pending.replica is replica
    court.end(pending)
    await court.is_shared()


async def test_what_is_withheld_goes_out_while_nobody_is_tried_beside_it(court: Court) -> None:
    """A client waits so long for others' trials and no longer; the next waits until it is over."""
    court.trials.withheld_s = 0.0
    (first, one) = court.suspect("a", 1.0)
    (_, two) = court.suspect("b", 2.0)
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
    (first, one) = court.suspect("a", 1.0)
    (_, two) = court.suspect("b", 2.0)
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
    pending = await given(place)
    court.core.first_token(pending, time.monotonic())
    await asyncio.sleep(0.3)
    assert case.stage is Stage.TRIED
    await until(lambda: case.stage is Stage.CLEARED)
    assert time.monotonic() - pending.sent_at >= case.alone_s
    court.end(pending)
    await court.is_shared()


async def test_what_is_found_out_or_cleared_is_so_for_all_like_it(court: Court) -> None:
    """The like of one that is refused is refused, and of one that is cleared need not be alone."""
    (case, place) = court.suspect("a")
    (_, like) = court.suspect("a")
    pending = await given(place)
    court.suspects.refuse(case, time.monotonic())
    with pytest.raises(RequestEndsEngines):
        await like
    court.end(pending)
    (_, place) = court.suspect("b")
    (_, like) = court.suspect("b")
    pending = await given(place)
    court.core.first_token(pending, time.monotonic())
    assert await like is None
    court.end(pending)
    await court.is_shared()


async def test_a_version_that_nobody_has_is_loaded_and_kept(court: Court) -> None:
    """Who waits for it meanwhile is not sent before the trial is over."""
    for replica in [*court.replicas]:
        court.core.lost(replica, time.monotonic())
    _, place = court.suspect("a")
    await until(lambda: bool(court.replicas) and court.replicas[0].is_kept)
    replica = court.replicas[0]
    other = court.ask()
    assert replica.state is ReplicaState.LOADING
    court.core.loaded(replica, time.monotonic())
    pending = await given(place)
    assert (replica.state, other.replica, other.is_sent) == (ReplicaState.KEPT, replica, False)
    court.end(pending)
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
