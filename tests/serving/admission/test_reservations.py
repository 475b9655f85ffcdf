"""Whatever ends, dies or is lost in whatever order, reservations are neither leaked nor doubled."""

import asyncio
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, ClassVar, TypeVar

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

from modelyard.registry.billing.quota import Quota
from modelyard.registry.database import Database
from modelyard.serving.admission import keys
from modelyard.serving.admission.counts import RequestCounts
from modelyard.serving.admission.gate import Admission, Gate
from modelyard.serving.admission.limits import Limits, Rate
from modelyard.serving.admission.redis_gate import RedisGate
from modelyard.serving.admission.timings import SharedTimings
from modelyard.serving.errors import Limited
from tests.servers.redis import RedisServer
from tests.serving.admission.gates import HOUR_US, GateHarness, tried

T = TypeVar("T")
USERS = st.sampled_from(["ada", "bob"])
GATES = 2
RATE = 30
LIVE = 9
USER_LIVE = 6
REQUESTS = 25


class CountsMachine(RuleBasedStateMachine):
    """One process' counts against a plain model, on a clock that the test moves."""

    RATE = 5
    HOURLY = 12
    LIVE = 7
    LIFE = 200

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000
        self.number = 0
        rates = (Rate("rpm", self.HOURLY, 1000, per_user=False),)
        rates += (Rate("user_rpm", self.RATE, 100, per_user=True),)
        self.counts = RequestCounts.of(Limits(rates, self.LIVE, 4), lambda: self.now, self.LIFE)
        self.times: list[tuple[int, str]] = []
        self.live: dict[str, tuple[str, int]] = {}

    def is_room(self, user: str) -> bool:
        self.live = {k: (u, at) for k, (u, at) in self.live.items() if at + self.LIFE > self.now}
        own = [at for at, whose in self.times if whose == user and at > self.now - 100]
        everybody = [at for at, _ in self.times if at > self.now - 1000]
        places = Counter(whose for whose, _ in self.live.values())
        rates = len(own) < self.RATE and len(everybody) < self.HOURLY
        return rates and len(self.live) < self.LIVE and places[user] < 4

    @rule(user=USERS)
    def admit(self, user: str) -> None:
        self.number += 1
        expected = self.is_room(user)
        try:
            self.counts.admit(str(self.number), Quota(user))
        except Limited:
            assert not expected
        else:
            assert expected
            self.times.append((self.now, user))
            self.live[str(self.number)] = (user, self.now)

    @precondition(lambda self: self.number)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """Of any request, also one that has left, expired, or was never let in."""
        key = str(data.draw(st.integers(1, self.number)))
        self.counts.expire(self.now)
        self.is_room("ada")
        assert self.counts.leave(key) is (self.live.pop(key, None) is not None)

    @rule(step=st.integers(1, 150))
    def wait(self, step: int) -> None:
        self.now += step

    @rule()
    def prune(self) -> None:
        self.counts.prune()

    @invariant()
    def what_is_in_flight_is_what_is_live(self) -> None:
        self.counts.expire(self.now)
        self.is_room("ada")
        assert set(self.counts.places) == set(self.live)
        places = Counter(whose for whose, _ in self.live.values())
        assert {n: u.live for n, u in self.counts.users.items() if u.live} == dict(places)


class SharedMachine(RuleBasedStateMachine):
    """Gates over a real Redis that dies and is emptied, while gateways crash."""

    redis: ClassVar[RedisServer]
    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.mkdtemp()
        file = shutil.copy(self.template, self.folder)
        patient = SharedTimings(lease_us=HOUR_US)  # the test itself lets leases run out
        self.place = GateHarness(Database.connect(f"sqlite:///{file}"), self.redis.url, patient)
        self.ids = {name: self.place.user(name) for name in ("ada", "bob")}
        for user_id in self.ids.values():
            self.place.limit(user_id, REQUESTS)
        if not self.redis.answers():
            self.redis.start()
        self.client = Redis.from_url(self.redis.url)
        self.client.flushall()
        self.gates: list[tuple[Gate, AsyncExitStack]] = []
        self.live: list[tuple[int, Admission]] = []
        self.orphans: dict[str, list[str]] = {name: [] for name in self.ids.values()}
        self.let_in: Counter[str] = Counter()
        self.settled: Counter[str] = Counter()
        self.unwritten: Counter[str] = Counter()
        self.spare = 0
        for _ in range(GATES):
            self.open()
        self.together()

    def teardown(self) -> None:
        for _, stack in self.gates:
            self.run(stack.aclose())
        self.runner.close()
        self.client.close()
        self.place.db.close()
        shutil.rmtree(self.folder)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def open(self) -> None:
        limits = {"user_rph": RATE, "max_concurrency": LIVE, "user_max_concurrency": USER_LIVE}
        stack = AsyncExitStack()
        gate = self.run(stack.enter_async_context(self.place.gate(**limits)))
        self.gates.append((gate, stack))

    def together(self) -> None:
        """Wait until every gate has joined the Redis that is there now."""
        epoch = self.client.get(keys.EPOCH)

        async def joined() -> None:
            deadline = time.monotonic() + 60
            while not all(self.is_in(gate) for gate, _ in self.gates):
                assert time.monotonic() < deadline, (epoch, self.gates)
                await asyncio.sleep(0.005)

        self.run(joined())

    def is_in(self, gate: Gate) -> bool:
        assert isinstance(gate, RedisGate)
        return gate.pipe is not None and gate.epoch == self.client.get(keys.EPOCH)

    @rule(number=st.integers(0, GATES - 1), name=USERS, times=st.integers(1, 4))
    def admit(self, number: int, name: str, times: int) -> None:
        for _ in range(times):
            answer = self.run(tried(self.gates[number][0], self.ids[name]))
            if isinstance(answer, Admission):
                self.live.append((number, answer))
                self.let_in[self.ids[name]] += 1

    @precondition(lambda self: self.live)
    @rule(data=st.data(), used=st.booleans(), again=st.booleans())
    def settle(self, data: st.DataObject, used: bool, again: bool) -> None:  # noqa: FBT001 - drawn
        _, admission = self.live.pop(data.draw(st.integers(0, len(self.live) - 1)))
        for _ in range(1 + again):
            admission.settle(used=used)
        self.settled[admission.quota.user_id] += used

    @rule(number=st.integers(0, GATES - 1))
    def crash(self, number: int) -> None:
        """A gateway dies with what it had not written, and another one starts in its place."""
        gate, stack = self.gates[number]
        assert isinstance(gate, RedisGate)
        for (user_id, _), count in gate.book.owed.items():
            self.unwritten[user_id] += abs(count)
        gate.book.owed.clear()
        self.run(stack.aclose())
        for user_id, key in [(a.quota.user_id, a.key) for n, a in self.live if n == number]:
            self.orphans[user_id].append(key)
            self.settled[user_id] += 1
        self.live = [(n, admission) for n, admission in self.live if n != number]
        self.open()
        self.gates[number] = self.gates.pop()
        self.together()

    @rule()
    def expire(self) -> None:
        """The leases of the dead run out."""
        for user_id, members in self.orphans.items():
            for key in (keys.LIVE, keys.live_of(user_id)):
                present = [m for m in members if self.client.zscore(key, m) is not None]
                if present:
                    self.client.zadd(key, dict.fromkeys(present, 1))
            members.clear()

    @rule(name=USERS)
    def empty_redis(self, name: str) -> None:
        """Every gate notices by the next thing it asks."""
        self._lose()
        self.client.flushall()
        for number in range(GATES):
            self.admit(number, name, 1)
        self.together()

    @rule(number=st.integers(0, GATES - 1), name=USERS, times=st.integers(0, 3))
    def restart_redis(self, number: int, name: str, times: int) -> None:
        self._lose()
        self.redis.kill()
        self.admit(number, name, times)
        self.redis.start()
        self.together()

    def _lose(self) -> None:
        self.spare += GATES * max(RATE, LIVE, REQUESTS)
        for members in self.orphans.values():
            members.clear()  # nobody who lives knows of them: they are given back at once

    @invariant()
    def what_is_in_flight_is_what_is_live(self) -> None:
        # A pipe keeps the order: once this is answered, all that was settled has been.
        self.run(self._answered())
        for user_id, orphans in self.orphans.items():
            own = {a.key for _, a in self.live if a.quota.user_id == user_id}
            found = self._places(keys.live_of(user_id))
            assert own <= found <= own | set(orphans)
            assert len(found) <= USER_LIVE + self.spare
        everybody = self._places(keys.LIVE)
        assert {a.key for _, a in self.live} <= everybody
        assert len(everybody) <= LIVE + self.spare

    @invariant()
    def a_quota_counts_what_was_used_and_what_is_live(self) -> None:
        self.run(self._answered())
        live = Counter(admission.quota.user_id for _, admission in self.live)
        for user_id in self.ids.values():
            count = self.settled[user_id] + live[user_id]
            in_redis = self.client.get(keys.quota_of(user_id, 0))
            if in_redis is not None:
                assert abs(int(in_redis) - count) <= self.unwritten[user_id]
            assert abs(self._written(user_id) - count) <= self.unwritten[user_id]
            assert self.let_in[user_id] <= RATE + self.spare
            assert count <= REQUESTS + self.spare

    def _places(self, key: str) -> set[str]:
        members: Any = self.client.zrangebyscore(key, 2, "inf")
        return {member.decode() for member in members}

    def _written(self, user_id: str) -> int:
        return [self.run(gate.quota(user_id)).request_count for gate, _ in self.gates][-1]

    async def _answered(self) -> None:
        for gate, _ in self.gates:
            assert isinstance(gate, RedisGate)
            if gate.pipe is not None:
                await gate.pipe.ask("PING")


def _sized(examples: int, steps: int) -> settings:
    return settings(max_examples=examples, stateful_step_count=steps)


def test_counts_agree_with_a_plain_model(full_length: int) -> None:
    """Rates are exact, places are those of the living, and each is given back once."""
    run_state_machine_as_test(CountsMachine, settings=_sized(60 * full_length, 40))


def test_nothing_leaks_whatever_dies(
    redis: RedisServer, sqlite_template: Path, full_length: int
) -> None:
    """In flight is what is live; a quota is what was used and what is live; nothing is below 0."""
    SharedMachine.redis = redis
    SharedMachine.template = sqlite_template
    run_state_machine_as_test(SharedMachine, settings=_sized(4 * full_length, 12))
