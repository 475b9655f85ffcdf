"""Gateways over one real Redis know what each has reserved, and forget it with whoever had it."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from modelyard.registry.database import Database
from modelyard.serving.admission import keys
from modelyard.serving.admission.redis_gate import RedisGate
from modelyard.serving.admission.timings import SharedTimings
from modelyard.serving.routing.fleet.peer_loads import FRESH_S
from tests.servers.redis import RedisServer, running_redis
from tests.serving.admission.gates import GateHarness
from tests.serving.routing.peer_gateway import DEVICES, PeerGateway, fleet, until

T = TypeVar("T")
PATIENT = SharedTimings(load_lease_ms=3_600_000)
"""What was told holds however slow the machine is; the dead are let expire by hand."""

GATEWAYS = 3


class Fellowship(RuleBasedStateMachine):
    """Gateways that reserve, end, crash and start anew, over a Redis that does the same."""

    redis: ClassVar[RedisServer]
    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.mkdtemp()
        file = shutil.copy(self.template, self.folder)
        self.place = GateHarness(Database.connect(f"sqlite:///{file}"), self.redis.url, PATIENT)
        self.client = Redis.from_url(self.redis.url)
        self.client.flushall()
        self.members = [self.run(PeerGateway.join(self.place)) for _ in range(GATEWAYS)]
        self.together()

    def teardown(self) -> None:
        for peer in self.members:
            for pending in [*peer.pending_requests]:
                peer.finish(pending)
        self.all_speak()
        for peer in self.members:
            state = {(w.others, w.others_s, w.sent) for w in peer.workers.values()}
            assert state == {(0.0, 0.0, 0)}
            self.run(peer.stack.aclose())
        self.runner.close()
        self.client.close()
        self.place.db.close()
        shutil.rmtree(self.folder)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def together(self) -> None:
        """Wait until every gateway has joined the Redis that is there now."""
        self.run(until(lambda: all(self.is_in(m.gate) for m in self.members)))

    def is_in(self, gate: RedisGate) -> bool:
        return gate.pipe is not None and gate.epoch == self.client.get(keys.EPOCH)

    @rule(number=st.integers(0, GATEWAYS - 1), tokens=st.integers(1, 5000))
    def submit(self, number: int, tokens: int) -> None:
        self.members[number].submit(tokens)

    @precondition(lambda self: any(m.pending_requests for m in self.members))
    @rule(data=st.data(), first=st.booleans())
    def go_on(self, data: st.DataObject, first: bool) -> None:  # noqa: FBT001 - drawn
        """A request's first byte is here, or it is over."""
        peer = data.draw(st.sampled_from([m for m in self.members if m.pending_requests]))
        pending = data.draw(st.sampled_from(peer.pending_requests))
        if first:
            peer.router.core.first_token(pending, time.monotonic())
        else:
            peer.finish(pending)

    @rule(number=st.integers(0, GATEWAYS - 1))
    def speak(self, number: int) -> None:
        self.run(self.members[number].speak())

    @rule(number=st.integers(0, GATEWAYS - 1))
    def crash(self, number: int) -> None:
        """A gateway dies with what it has at work, and another one starts in its place."""
        self.run(self.members[number].stack.aclose())
        self.members[number] = self.run(PeerGateway.join(self.place))
        self.together()

    @rule()
    def empty_redis(self) -> None:
        self.client.flushall()
        for peer in self.members:
            peer.gate.out_of_sync.set()
        self.together()

    @rule(number=st.integers(0, GATEWAYS - 1))
    def restart_redis(self, number: int) -> None:
        """Who speaks meanwhile is not heard, and nothing fails."""
        self.redis.kill()
        self.run(self.members[number].speak())
        self.redis.start()
        self.together()

    @rule()
    def all_speak(self) -> None:
        """Once all have spoken each knows what the others have, and the dead are forgotten."""
        self._let_the_dead_expire()
        for peer in (*self.members, *self.members):
            self.run(peer.speak())
        for peer in self.members:
            others = [m for m in self.members if m is not peer]
            for name, worker in peer.workers.items():
                assert worker.others == sum(m.workers[name].sent for m in others)
        known: Any = self.client.hkeys(keys.LOADS)
        assert {name.decode() for name in known} == {m.gate.name for m in self.members}

    def _let_the_dead_expire(self) -> None:
        """As if their leases had run out: Redis itself has to drop them."""
        living = {m.gate.name for m in self.members}
        loads = self.client.hgetall(keys.LOADS)
        for name, load in dict[bytes, bytes](loads).items():  # type: ignore[arg-type]
            if name.decode() not in living:
                self.client.hset(keys.LOADS, name, b"1:" + load.partition(b":")[2])

    @invariant()
    def nothing_is_negative(self) -> None:
        for peer in self.members:
            for worker in peer.workers.values():
                assert min(worker.others, worker.others_s, worker.sent) >= 0


@pytest.fixture(scope="module")
def redis() -> Generator[RedisServer]:
    with running_redis() as server:
        yield server


def test_no_share_leaks_whatever_dies(
    redis: RedisServer, sqlite_template: Path, full_length: int
) -> None:
    """Each gateway knows what the living others have on each device, never less than none."""
    Fellowship.redis = redis
    Fellowship.template = sqlite_template
    sized = settings(max_examples=5 * full_length, stateful_step_count=15)
    run_state_machine_as_test(Fellowship, settings=sized)


@contextmanager
def two(
    place: GateHarness, clock: Callable[[], float] = time.monotonic
) -> Generator[tuple[asyncio.Runner, PeerGateway, PeerGateway]]:
    with asyncio.Runner() as runner:
        first, second = (runner.run(PeerGateway.join(place, clock)) for _ in range(2))
        runner.run(until(lambda: None not in {first.gate.pipe, second.gate.pipe}))
        yield runner, first, second
        for peer in (first, second):
            runner.run(peer.stack.aclose())


@pytest.fixture
def place(sqlite_url: str, redis: RedisServer) -> Generator[GateHarness]:
    if not redis.answers():
        redis.start()
    with Redis.from_url(redis.url) as client:
        client.flushall()
    database = Database.connect(sqlite_url)
    yield GateHarness(database, redis.url, PATIENT)
    database.close()


def test_a_prompt_is_sent_where_no_other_gateway_has_one(place: GateHarness) -> None:
    """Its seconds count, not its being one request: long ones are avoided, short ones are not."""
    at = time.monotonic()
    with two(place, lambda: at) as (runner, first, second):
        (long, *_) = [first.submit(8000) for _ in range(2)]
        (other, *_) = [first.submit(4000)]
        runner.run(first.speak())
        runner.run(second.speak())
        assert {w.others for w in second.workers.values()} == {1.0}
        chosen = [second.submit(2000) for _ in range(2)]
        assert long.replica is not None
        assert other.replica is not None
        names = [t.replica.worker.device_id for t in chosen if t.replica]
        assert names == [other.replica.worker.device_id] * 2


def test_a_worker_that_others_leave_is_used_at_once(place: GateHarness) -> None:
    """What was held for it goes there as soon as its gateway hears of it."""
    with two(place) as (runner, first, second):
        theirs = [first.submit(10) for _ in range(4 * len(DEVICES))]
        runner.run(first.speak())
        runner.run(second.speak())
        ours = [second.submit(10) for _ in range(3 * len(DEVICES))]
        assert [t.is_sent for t in ours] == [True] * 6 + [False] * 3
        for pending in theirs:
            first.finish(pending)
        runner.run(first.speak())
        runner.run(second.speak())
        assert all(t.is_sent for t in ours)


def test_without_redis_the_workers_reports_count_again(
    place: GateHarness, redis: RedisServer
) -> None:
    """What was heard holds for a moment; nothing fails, and nobody waits."""
    with two(place) as (runner, first, second):
        first.submit(10)
        runner.run(first.speak())
        now = time.monotonic()
        runner.run(second.speak())
        heard_by = time.monotonic()
        redis.kill()
        runner.run(second.speak())
        second.router.fleet_sync.update(fleet(two=3), now + FRESH_S)
        assert sum(w.others for w in second.workers.values()) == 1
        second.router.fleet_sync.update(fleet(two=3), heard_by + FRESH_S + 0.1)
        assert sum(w.others for w in second.workers.values()) == 0
