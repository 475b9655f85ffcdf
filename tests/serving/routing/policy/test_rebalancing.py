"""What stands where: turns come round where memory is short, and nobody leaves for nothing."""

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.fleet_state import PendingRequest, Replica, WorkerState
from modelyard.serving.routing.policy.request import RoutedRequest
from tests.serving.routing.decided import Decided

LOAD_S = 5.0
ANSWER_S = 1.0


def dispatcher(workers: int, decided: Decided, *, memory: float = 25.0) -> Dispatcher:
    cluster = ClusterState(512, memory_unit=1e9)
    cluster.needs = {"a": 20.0, "b": 20.0, "small": 5.0}
    cluster.workers = [WorkerState(i, f"gpu-{i}", "card", 4, memory) for i in range(workers)]
    for version in cluster.needs:
        cluster.demands.of(version).load_s = LOAD_S
    return decided.dispatcher(cluster)


def played(
    core: Dispatcher, decided: Decided, asked: dict[str, float], until: float
) -> tuple[list[PendingRequest], int]:
    """Each version asked for every so many seconds; answers and loads take their time."""
    step = 0.25
    now = 0.0
    pending_requests = list[PendingRequest]()
    loads = 0
    ends = dict[int, tuple[float, PendingRequest]]()
    ready = list[tuple[float, Replica]]()
    while now < until:
        for version, every in asked.items():
            if now % every < step:
                pending_requests.append(
                    core.submit(RoutedRequest("r", "ada", 3, 100), version, now)
                )
        core.tick(now)
        loads += len(decided.loads)
        ready += [(now + LOAD_S, o.replica) for o in decided.loads]
        ends |= {id(t): (now + ANSWER_S, t) for t in decided.sends}
        decided.clear()
        for _, replica in [x for x in ready if x[0] <= now]:
            core.loaded(replica, now)
        ready = [x for x in ready if x[0] > now]
        for key, (end, pending) in [*ends.items()]:
            core.first_token(pending, now)
            if end > now:
                continue
            del ends[key]
            core.finished(pending, now, 10)
        now += step
    return pending_requests, loads


def test_turns_come_round_though_nobody_is_ever_idle() -> None:
    """Two versions with room for one, both asked for all the time: neither waits for ever."""
    pending_requests, loads = played(
        dispatcher(1, decided := Decided()), decided, {"a": 1.0, "b": 1.0}, 600.0
    )
    for version in ("a", "b"):
        waits = [
            t.sent_at - t.arrived_at for t in pending_requests if t.version == version and t.is_sent
        ]
        assert len(waits) > 550
        assert max(waits) < 60
    assert loads < 600 / LOAD_S / 2


def test_a_place_is_not_given_up_for_what_is_asked_for_seldom_each_time() -> None:
    """Some requests of the rare version gather first, unless nobody loses by the load."""
    pending_requests, loads = played(
        dispatcher(1, decided := Decided()), decided, {"a": 0.5, "b": 20.0}, 600.0
    )
    seldom = [t for t in pending_requests if t.version == "b"]
    assert sum(t.is_sent for t in seldom) >= len(seldom) - 5
    assert loads < 2 * len(seldom) - 20


def test_what_is_free_is_taken_first() -> None:
    """With room for all, each version gets a place of its own and nobody leaves for it."""
    core = dispatcher(2, decided := Decided())
    _, loads = played(core, decided, {"a": 1.0, "b": 1.0, "small": 1.0}, 60.0)
    assert {v for w in core.cluster.workers for v in w.replicas} == {"a", "b", "small"}
    assert loads == sum(len(w.replicas) for w in core.cluster.workers)


def test_much_that_waits_is_worked_off_and_not_loaded_to_and_fro() -> None:
    """Room for one of two, and 100 s of work of both at once: turns lengthen, then it is done."""
    core = dispatcher(1, decided := Decided())
    for number in range(400):
        core.submit(RoutedRequest("r", "ada", 3, 100), "ab"[number % 2], 0.0)
    _, loads = played(core, decided, {"a": 1.0, "b": 1.0}, 600.0)
    assert core.cluster.waiting() < 100  # without turns 875: two thirds of the time went into loads
    assert loads < 30


def test_an_only_home_is_dear_to_take_where_memory_is_short() -> None:
    """An idle version leaves for another's second home: with room for all soon, else later."""
    waits = list[int]()
    for third in (0.0, 20.0):
        core = dispatcher(2, Decided(), memory=20.0)
        core.cluster.needs["small"] = third
        for worker, version in zip(core.cluster.workers, "ab", strict=True):
            core.cluster.add_replica(worker, version, 0.0)
        for version in ("a", "b", "small"):
            core.cluster.demands.of(version).arrived(100, 0.0)
        more = core.rebalancer.scale_out
        waits.append(next(cost for cost in range(1000) if more("a", 100, cost, 1.0)))
    assert LOAD_S < waits[0] < waits[1]
