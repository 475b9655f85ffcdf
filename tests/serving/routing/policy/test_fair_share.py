"""Places are shared among versions and users: nobody shuts others out, however much it asks for."""

from collections.abc import Sequence

import pytest

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.explain import explain
from modelyard.serving.routing.policy.fair_share import ACTIVE_S
from modelyard.serving.routing.policy.fleet_state import PendingRequest, WorkerState
from modelyard.serving.routing.policy.request import RoutedRequest
from tests.serving.routing.decided import Decided


def fleet(
    workers: int = 1,
    *,
    slots: int = 4,
    versions: Sequence[str] = ("a",),
    decided: Decided | None = None,
) -> Dispatcher:
    """Devices with `slots` places for each of their versions."""
    cluster = ClusterState(512, memory_unit=1e9)
    cluster.needs = dict.fromkeys(versions, 1.0)
    for index in range(workers):
        worker = WorkerState(index, f"gpu-{index}", "card", slots * len(versions), 100.0)
        cluster.workers.append(worker)
        for version in versions:
            cluster.add_replica(worker, version, 0.0).slots = slots
    return (decided or Decided()).dispatcher(cluster)


def ask(
    core: Dispatcher, user: str, now: float = 0.0, version: str = "a", priority: int = 3
) -> PendingRequest:
    return core.submit(RoutedRequest("r", user, priority, 100), version, now)


def sent(pending_requests: Sequence[PendingRequest]) -> int:
    return sum(pending.is_sent for pending in pending_requests)


def test_one_version_never_has_the_places_of_another() -> None:
    """Seventeen streams of one fill its own places; the others of the device begin at once."""
    core = fleet(versions=("a", "b", "c", "d"))
    many = [ask(core, "ada") for _ in range(17)]
    assert sent(many) == 4
    assert all(ask(core, "ada", version=version).is_sent for version in "bcd")


def test_what_waits_for_another_version_costs_nothing() -> None:
    """A version with free places is no dearer for what its neighbour has waiting."""
    core = fleet(versions=("a", "b"))
    for _ in range(17):
        ask(core, "ada")
    told = explain(
        core.cluster, core.users, RoutedRequest("r", "ada", 3, 100), "b", now=0.0
    ).candidates[0]
    busy = explain(
        core.cluster, core.users, RoutedRequest("r", "ada", 3, 100), "a", now=0.0
    ).candidates[0]
    assert told.slot_s == 0.0 < busy.slot_s
    assert told.queue_s < busy.queue_s


def test_where_an_engine_batches_all_places_of_the_device_are_its() -> None:
    """It says 0: what it is sent at the same time shares batches."""
    core = fleet(versions=("a", "b"))
    core.cluster.replicas["a"][0].slots = 0
    assert sent([ask(core, "ada") for _ in range(17)]) == 8


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_who_has_had_least_begins_next(slots: int) -> None:
    """However many were there before, and though there are more users than places."""
    core = fleet(slots=slots, decided=(decided := Decided()))
    begun = list[str]()
    at_work = [ask(core, "zoe") for _ in range(slots)]
    for number in range(60):
        ask(core, "ada" if number < 40 else "bob")
    for number in range(42):
        if number == 12:
            _ = [ask(core, "eve", float(number)) for _ in range(20)]
        decided.clear()
        core.finished(at_work.pop(0), 1.0 + number)
        at_work += decided.sends
        begun.append(decided.sends[0].work.user_id)
    assert 5 <= begun[:12].count("bob") <= 7
    assert begun[12] == "eve"
    assert min(begun[12:].count(user) for user in ("ada", "bob", "eve")) >= 7


def test_an_urgent_one_may_have_more_at_work() -> None:
    """What a user has at work is weighed with the priority of what it waits for."""
    core = fleet(slots=4)
    first = [ask(core, "ada") for _ in range(3)] + [ask(core, "bob")]
    urgent = ask(core, "ada", 1.0, priority=5)
    usual = ask(core, "bob", 1.0, priority=1)
    core.finished(first[0], 2.0)
    assert (urgent.is_sent, usual.is_sent) == (True, False)


def test_a_place_is_kept_for_those_who_have_asked_lately() -> None:
    """One user alone has all places; with another about, the other's next begins at once."""
    core = fleet(slots=8)
    alone = [ask(core, "ada") for _ in range(20)]
    assert sent(alone) == 8
    for pending in alone:
        core.finished(pending, 1.0)
    core.finished(ask(core, "bob", 2.0), 3.0)
    many = [ask(core, "ada", 4.0) for _ in range(20)]
    assert sent(many) == 7
    assert ask(core, "bob", 5.0).is_sent
    assert not ask(core, "bob", 5.0).is_sent
    core.finished(many[0], 6.0)
    assert sent(many) == 7  # bob's second has its place


def test_who_has_not_asked_for_long_has_no_place_kept() -> None:
    """Nothing stands idle for those who are gone: the first tick after that fills it."""
    core = fleet(slots=8)
    core.finished(ask(core, "bob"), 1.0)
    many = [ask(core, "ada", 2.0) for _ in range(20)]
    core.tick(ACTIVE_S - 1.0)
    assert sent(many) == 7
    core.tick(ACTIVE_S + 1.0)
    assert sent(many) == 8


@pytest.mark.parametrize(("slots", "most"), [(1, 1), (3, 3), (4, 3), (8, 7), (12, 10), (64, 56)])
def test_an_eighth_of_the_places_is_kept(slots: int, most: int) -> None:
    """At least one of four; of fewer none, as it would be too much."""
    core = fleet(slots=slots)
    core.finished(ask(core, "bob"), 1.0)
    assert sent([ask(core, "ada", 2.0) for _ in range(100)]) == most


def test_where_one_may_not_begin_it_goes_elsewhere() -> None:
    """A place that is kept from a user is none for it: the next device costs less."""
    core = fleet(2, slots=4)
    core.finished(ask(core, "bob"), 1.0)
    many = [ask(core, "ada", 2.0) for _ in range(6)]
    assert sent(many) == 6
    assert [worker.sent for worker in core.cluster.workers] == [3, 3]


def test_a_free_worker_takes_the_turn_of_whoever_has_least() -> None:
    """What others hold is taken in the order of users too, not only of ranks."""
    core = fleet(2, slots=1)
    first = [ask(core, "ada") for _ in range(2)]
    heavy = [ask(core, "ada", 1.0) for _ in range(10)]
    light = ask(core, "bob", 2.0)
    there = light.replica
    assert there is not None
    other = next(t for t in first if t.replica is not None and t.replica.worker is not there.worker)
    core.finished(other, 3.0)
    assert light.is_sent
    assert sent(heavy) == 0


def test_of_users_who_are_gone_nothing_is_kept() -> None:
    """Thousands come and go."""
    core = fleet()
    for number in range(2000):
        core.finished(ask(core, f"user-{number}", float(number)), number + 0.5)
    core.prune(2000.0)
    assert len(core.users) <= ACTIVE_S + 1
