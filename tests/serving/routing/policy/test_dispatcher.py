"""The decisions themselves: what is reserved is released, and nothing goes where it cannot."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.serving.routing.estimates.speeds import LinearFit, TokenLatency
from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.cost import cheapest
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.explain import explain
from modelyard.serving.routing.policy.fair_share import ACTIVE_S
from modelyard.serving.routing.policy.fleet_changes import FleetChanges
from modelyard.serving.routing.policy.fleet_state import (
    PendingRequest,
    Replica,
    ReplicaState,
    WorkerState,
)
from modelyard.serving.routing.policy.overtaking import (
    MOST_OVERTAKEN_S,
    WORK_POWER,
    Overtaking,
    QueueOrder,
)
from modelyard.serving.routing.policy.request import RoutedRequest
from tests.serving.routing.decided import Decided

MODELS = {"a": 10.0, "b": 20.0, "huge": 1000.0}


def dispatcher(
    workers: int,
    *,
    slots: int = 2,
    memory: float = 25.0,
    decided: Decided | None = None,
    order: QueueOrder = QueueOrder.BALANCED,
) -> Dispatcher:
    cluster = ClusterState(512, memory_unit=1e9)
    cluster.needs = dict(MODELS)
    cluster.workers = [
        WorkerState(i, f"gpu-{i}", "card", slots, memory, overtaking=Overtaking(order))
        for i in range(workers)
    ]
    return (decided or Decided()).dispatcher(cluster)


def work(tokens: int = 100, priority: int = 3, prefix: tuple[int, ...] = ()) -> RoutedRequest:
    return RoutedRequest("r", "ada", priority, tokens, 0, prefix)


def warm(core: Dispatcher, version: str = "a") -> Dispatcher:
    for worker in core.cluster.workers:
        core.cluster.add_replica(worker, version, 0.0)
    return core


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["submit", "first", "finish", "lost", "loaded", "tick", "unfit"]),
        st.integers(0, 10_000),
    ),
    max_size=120,
)


@given(STEPS, st.integers(1, 5))
@settings(max_examples=120)
def test_no_reservation_leaks_and_none_is_negative(
    steps: list[tuple[str, int]], workers: int
) -> None:
    """Whatever dies when: at the end of all requests every count is zero again."""
    core = dispatcher(workers, slots=3)
    open_tickets = list[PendingRequest]()
    now = 0.0
    for step, number in steps:
        now += (number % 100) / 50
        _take(core, open_tickets, step, number, now)
        _check(core, open_tickets)
    for pending in open_tickets:
        core.finished(pending, now + 1)
        core.finished(pending, now + 1)
    for worker in core.cluster.workers:
        assert (worker.sent, worker.held, worker.queue.free_at) == (0, [], 0.0)
        assert all(replica.busy == 0 for replica in worker.replicas.values())
    assert not any(core.cluster.orphans.values())
    assert core.users.waiting == 0
    core.prune(now + 2 * ACTIVE_S)
    assert len(core.users) == 0


@given(STEPS, st.integers(1, 5))
@settings(max_examples=120)
def test_every_decision_is_told_once_as_it_is_made(
    steps: list[tuple[str, int]], workers: int
) -> None:
    """Whichever change it comes from: what was sent or is being loaded is known outside."""
    core = dispatcher(workers, slots=3, decided=(decided := Decided()))
    now = 0.0
    open_requests = list[PendingRequest]()
    seen = dict[int, PendingRequest]()
    for step, number in steps:
        now += (number % 100) / 50
        _take(core, open_requests, step, number, now)
        seen |= {id(pending): pending for pending in open_requests}
        sent = [key for key, pending in seen.items() if pending.is_sent]
        assert sorted(id(pending) for pending in decided.sends) == sorted(sent)
        ordered = [id(order.replica) for order in decided.loads]
        assert len(set(ordered)) == len(ordered)
        for replica in [x for w in core.cluster.workers for x in w.replicas.values()]:
            is_loading = replica.state is ReplicaState.LOADING and not replica.worker.is_moving
            assert id(replica) in ordered or not is_loading


def _take(
    core: Dispatcher, pending_requests: list[PendingRequest], step: str, number: int, now: float
) -> None:
    replicas = [replica for found in core.cluster.replicas.values() for replica in found]
    if step == "submit":
        version = ("a", "b", "huge")[number % 3]
        user = ("ada", "bob", "eve")[number % 4 % 3]
        asked = RoutedRequest("r", user, number % 5 + 1, number, 0, (number % 7,), number % 2)
        pending_requests.append(core.submit(asked, version, now))
    elif step == "first" and pending_requests:
        core.first_token(pending_requests[number % len(pending_requests)], now)
    elif step == "finish" and pending_requests:
        answered = number if number % 2 else None
        core.finished(pending_requests.pop(number % len(pending_requests)), now, answered)
    elif step == "lost" and replicas:
        core.lost(replicas[number % len(replicas)], now)
    elif step == "loaded":
        for replica in [
            x for x in replicas if x.state is ReplicaState.LOADING and not x.worker.is_moving
        ]:
            replica.slots = number % 3
            core.loaded(replica, now)
    elif step == "unfit":
        worker = core.cluster.workers[number % len(core.cluster.workers)]
        worker.is_fit = not worker.is_fit
    else:
        core.tick(now)


def _check(core: Dispatcher, pending_requests: list[PendingRequest]) -> None:
    sent = [t for t in pending_requests if t.is_sent]
    assert sum(w.sent for w in core.cluster.workers) == len(sent)
    held = sum(len(w.held) for w in core.cluster.workers)
    waiting = sum(len(q) for q in core.cluster.orphans.values())
    assert held + waiting == len(pending_requests) - len(sent)
    for worker in core.cluster.workers:
        assert worker.sent <= worker.slots
        assert all(x.busy - x.held <= x.places for x in worker.replicas.values())
        staying = [x for x in worker.replicas.values() if x.state is not ReplicaState.LEAVING]
        assert sum(x.memory for x in staying) <= worker.memory
        assert all(t.replica is not None for t in worker.held)


def test_a_version_that_fits_nowhere_waits_and_is_not_sent() -> None:
    """Memory is a condition, not a cost."""
    core = dispatcher(3, decided=(decided := Decided()))
    pending = core.submit(work(), "huge", 0.0)
    assert not pending.is_sent
    assert decided == Decided()


def test_more_load_on_a_worker_never_draws_work_to_it() -> None:
    """Work goes to the emptier of two like workers, one request after the other."""
    core = warm(dispatcher(2, slots=32))
    for number in range(20):
        core.submit(work(1000), "a", number * 1e-3)
        busy = sorted(w.sent + len(w.held) for w in core.cluster.workers)
        assert busy[1] - busy[0] <= 1


def test_the_urgent_go_first() -> None:
    """Of what waits for one worker the highest priority begins first, then the shortest."""
    order = QueueOrder.THROUGHPUT
    core = warm(dispatcher(1, slots=1, decided=(decided := Decided()), order=order))
    first = core.submit(work(), "a", 0.0)
    low, long, short, high = (
        core.submit(work(tokens, priority), "a", 0.0)
        for tokens, priority in ((10, 1), (5000, 3), (10, 3), (10, 5))
    )
    begun = list[PendingRequest]()
    for now in range(1, 5):
        decided.clear()
        core.finished(first, now)
        first = decided.sends[0]
        begun.append(first)
    assert begun == [high, short, long, low]


def test_who_asks_for_more_may_wait_longer_than_in_proportion() -> None:
    """The longer the line, the more a short request overtakes; on a free worker hardly any."""
    long_s = 2.0
    short_s = 0.1
    order = QueueOrder.THROUGHPUT
    free = WorkerState(0, "a", "card", 1, 1.0, overtaking=Overtaking(order))
    busy = WorkerState(1, "b", "card", 1, 1.0, overtaking=Overtaking(order))
    for worker, waited in ((free, 0.0), (busy, 10.0)):
        replica = Replica(worker, "a", 1.0, TokenLatency(LinearFit(1e-3), LinearFit(1e-2)))
        replica.learned()
        for now in range(200):
            pending = PendingRequest(work(1000), "a", now - waited)
            pending.bind(replica, 1000.0, 0.0)
            worker.send(pending, now)
            worker.leave(pending, now)
    assert free.overtaking.most_s(long_s) < short_s
    most_s = busy.overtaking.most_s
    assert most_s(1.0) == pytest.approx(10.0, rel=0.1)  # as long as its like have waited
    assert most_s(long_s) == pytest.approx(2**WORK_POWER * most_s(long_s / 2))
    assert most_s(short_s) < 0.1
    assert 20 < most_s(long_s) < MOST_OVERTAKEN_S
    assert most_s(100.0) == MOST_OVERTAKEN_S


def test_what_waits_elsewhere_and_comes_first_is_taken_before_ones_own() -> None:
    """One order among devices, but for what its own device knows the beginning of."""
    for known, taken in (((), "first"), ((1,), "own")):
        core = warm(dispatcher(2, slots=1, decided=(decided := Decided())))
        free, full = core.cluster.workers
        running = {w: core.submit(work(2000), "a", 0.0) for w in (free, full)}
        replicas = {worker: worker.replicas["a"] for worker in (free, full)}
        asked = PendingRequest(work(2000, prefix=known), "a", 0.0)
        first = core.also(asked, replicas[full], 512 * len(known), 1.0)
        own = core.also(asked, replicas[free], 512 * len(known), 5.0)
        decided.clear()
        leaving = next(t for t in running.values() if t.replica is replicas[free])
        core.finished(leaving, 6.0, 10)
        assert decided.sends == [{"first": first, "own": own}[taken]]


def test_work_is_held_back_by_what_was_measured_only() -> None:
    """A guess of how fast prompts are keeps nobody from a worker that has a place free."""
    core = warm(dispatcher(1, slots=32))
    unknown = [core.submit(work(2000), "a", 0.0) for _ in range(4)]
    assert all(pending.is_sent for pending in unknown)
    for pending in unknown:
        core.first_token(pending, 1.0)
        core.finished(pending, 1.0)
    measured = [core.submit(work(8000), "a", 2.0) for _ in range(4)]
    assert [pending.is_sent for pending in measured] == [True, False, False, False]


def test_many_at_work_are_reckoned_as_one_by_one() -> None:
    """The running sum of what a worker has to compute is that of its prompts, whoever leaves."""
    core = warm(dispatcher(1, slots=64))
    pending_requests = [core.submit(work(100 + number), "a", 0.0) for number in range(30)]
    for pending in pending_requests[5:20]:
        core.finished(pending, 0.0)
    left = [*pending_requests[:5], *pending_requests[20:]]
    due = sum(pending.prefill_s for pending in left)
    worker = core.cluster.workers[0]
    assert worker.queue.free_at == pytest.approx(due)
    assert worker.queue.behind_s == pytest.approx(due - left[0].prefill_s)


def test_a_known_prefix_is_worth_its_seconds_and_no_more() -> None:
    """The worker that has the prompt gets it, until it has to wait longer than computing takes."""
    core = warm(dispatcher(2, slots=64))
    blocks = tuple(range(8))
    owner = core.submit(work(4096, prefix=blocks), "a", 0.0)
    core.first_token(owner, 2.0)
    choice = cheapest(core.cluster, PendingRequest(work(4096, prefix=blocks), "a", 2.0), 2.0)
    assert choice.replica is owner.replica
    assert choice.cached == 4096
    assert owner.replica is not None
    core.also(PendingRequest(work(200_000), "a", 2.0), owner.replica, 0, 2.0)
    elsewhere = cheapest(core.cluster, PendingRequest(work(4096, prefix=blocks), "a", 2.0), 2.0)
    assert elsewhere.replica is not owner.replica


def test_what_goes_elsewhere_leaves_no_prefix_behind() -> None:
    """A worker is not held to have what another computed in its place; what it had stays."""
    core = warm(dispatcher(2, slots=1))
    first, second = core.cluster.workers
    known = core.cluster.prefixes("a")
    known.add(first.index, (1,))
    core.also(PendingRequest(work(20_000), "a", 0.0), first.replicas["a"], 0, 0.0)
    core.also(PendingRequest(work(2000, prefix=(1, 2, 3)), "a", 0.0), first.replicas["a"], 512, 0.0)
    assert known.match((1, 2, 3)) == {first.index: 3 * 512}
    core.changed(FleetChanges(freed=[second]), 1.0)  # it takes what waits
    assert known.match((1, 2, 3)) == {first.index: 512, second.index: 3 * 512}


def test_a_prompt_behind_which_many_will_wait_goes_where_few_come() -> None:
    """Two devices that are alike and free: the one that is asked all the time is spared."""
    core = warm(dispatcher(2))
    asked, spared = core.cluster.workers
    for second in range(60):
        replica = asked.replicas["a"]
        pending = core.also(PendingRequest(work(100), "a", second), replica, 0, second)
        core.first_token(pending, second + 0.05)
        core.finished(pending, second + 0.1)
    asked.slowdown.factor = spared.slowdown.factor
    asked.is_fit = True  # its speeds are read anew
    choice = cheapest(core.cluster, PendingRequest(work(20_000), "a", 61.0), 61.0)
    assert choice.replica is spared.replicas["a"]
    told = explain(core.cluster, core.users, work(20_000), "a", now=61.0)
    assert told.candidates[0].toll_s < told.candidates[1].toll_s
    assert choice.own_s == pytest.approx(
        told.candidates[0].cost_s - told.toll_weight * told.candidates[0].toll_s
    )


def test_a_slow_device_is_learned_and_gets_less() -> None:
    """Nobody says which of two like cards is throttled: its answers do."""
    core = warm(dispatcher(2, slots=8))
    now = 0.0
    counts = [0, 0]
    for number in range(200):
        pending = core.submit(work(1000), "a", now)
        assert pending.replica is not None
        counts[pending.replica.worker.index] += number >= 100
        seconds = (2.0, 0.5)[pending.replica.worker.index]
        core.first_token(pending, now + seconds)
        core.finished(pending, now + seconds, 1)
        now += 3.0
    assert counts[1] > 90


def test_an_explanation_names_every_worker_and_the_one_that_is_chosen() -> None:
    """Its first is where the request then goes, and each other says why not."""
    core = warm(dispatcher(3))
    core.cluster.workers[2].is_fit = False
    told = explain(core.cluster, core.users, work(), "a", now=0.0)
    assert [c.device_id for c in told.candidates if not c.feasible] == ["gpu-2"]
    assert len(told.candidates) == 3
    pending = core.submit(work(), "a", 0.0)
    assert pending.replica is not None
    assert pending.replica.worker.device_id == told.chosen
    assert all(c.reason for c in told.candidates)


def test_a_user_has_work_on_no_more_devices_than_allowed() -> None:
    """With a limit of two the third joins one of the two; when they end it is free again."""
    core = warm(dispatcher(4, slots=64))
    limited = RoutedRequest("r", "ada", prompt_tokens=1000, gpu_limit=2)
    pending_requests = [core.submit(limited, "a", 0.0) for _ in range(10)]
    assert len({t.replica.worker.index for t in pending_requests if t.replica}) == 2
    for pending in pending_requests:
        core.finished(pending, 1.0)
    assert core.users.bound(limited) is None
