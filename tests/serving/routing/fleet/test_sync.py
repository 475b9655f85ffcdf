"""What is remembered of the fleet follows what its workers report, and ends with them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from modelyard.registry.fleet.device_facts import DeviceStatus
from modelyard.registry.fleet.fleet import EngineState, EngineView, WorkerView
from modelyard.registry.fleet.report import DeviceReport
from modelyard.serving.routing.fleet.ejection import Ejection
from modelyard.serving.routing.fleet.snapshot import FleetSnapshot
from modelyard.serving.routing.fleet.sync import (
    DEPARTED_S,
    FADE_S,
    FORGET_S,
    STALE_S,
    STRAIN,
    FleetSync,
)
from modelyard.serving.routing.policy.cluster_state import MOST_VERSIONS, ClusterState
from modelyard.serving.routing.policy.explain import explain
from modelyard.serving.routing.policy.request import RoutedRequest
from modelyard.serving.upstream.target import Target
from tests.serving.routing.decided import Decided

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


def worker(device_id: str, beat: int = 0, **facts: Any) -> WorkerView:
    device = replace(DeviceReport(name="card", slots=8), **facts)
    at = BEGIN + timedelta(seconds=beat)
    return WorkerView(device_id, f"http://{device_id}", 1, device, BEGIN, at)


def engine(device_id: str, version: str = "a") -> EngineView:
    url = f"http://{device_id}/{version}"
    return EngineView(device_id, version, EngineState.READY, url, memory_bytes=1)


def look(*workers: WorkerView) -> FleetSnapshot:
    return FleetSnapshot(workers, tuple(engine(w.device_id) for w in workers))


def fleet_sync() -> FleetSync:
    return FleetSync(Decided().dispatcher(ClusterState(256)), Ejection())


def test_devices_that_come_and_go_for_months_leave_nothing() -> None:
    """Workers, refusals and ejections are as many as the fleet that is there, not that ever was."""
    seen = fleet_sync()
    now = 0.0
    cluster = seen.core.cluster
    for generation in range(50):
        names = [f"{generation}-{number}" for number in range(4)]
        seen.update(look(*map(worker, names)), now)
        for name in names:
            found = seen.worker(name)
            assert found is not None
            cluster.refused[(found.index, "b")] = now + 10
            seen.ejection.failed(name, names, now)
        seen.update(look(), now + 1)
        seen.update(look(), now + DEPARTED_S + 2)
        seen.core.prune(now + DEPARTED_S + 2)
        now += DEPARTED_S + 10
    assert len(cluster.workers) == 4
    assert [w.index for w in cluster.workers] == [0, 1, 2, 3]
    assert (cluster.refused, len(seen.ejection), seen.devices) == ({}, 0, [])
    seen.update(look(worker("new")), now)
    pending = seen.core.submit(RoutedRequest("r", "ada"), "a", now)
    assert pending.is_sent


def test_a_device_with_work_on_it_keeps_its_place() -> None:
    """Its streams may go on although its worker is silent: their end must be counted there."""
    seen = fleet_sync()
    seen.update(look(worker("one")), 0.0)
    pending = seen.core.submit(RoutedRequest("r", "ada"), "a", 0.0)
    for now in (1.0, DEPARTED_S + 2, DEPARTED_S + 3):
        seen.update(look(), now)
    seen.update(look(worker("two")), DEPARTED_S + 4)
    assert [w.device_id for w in seen.core.cluster.workers] == ["one", "two"]
    seen.core.finished(pending, DEPARTED_S + 5)
    assert [w.sent for w in seen.core.cluster.workers] == [0, 0]


def test_versions_that_nobody_asks_for_are_forgotten() -> None:
    """Of thousands that were asked for once those stay that are there or still wanted."""
    seen = fleet_sync()
    core = seen.core
    now = 0.0
    seen.update(look(worker("one", memory_total=10, memory_free=9)), now)
    for number in range(3 * MOST_VERSIONS):
        core.cluster.needs[f"v{number}"] = 100.0
        core.finished(core.submit(RoutedRequest("r", "ada"), f"v{number}", now), now)
    core.cluster.needs["a"] = 1.0
    core.prune(now + 1)
    wanted = len(core.cluster.needs)
    forgotten = len(core.prune(now + 3600))
    left = [*core.cluster.needs]
    assert wanted == 3 * MOST_VERSIONS + 1
    assert forgotten == 3 * MOST_VERSIONS
    assert left == ["a"]


def test_the_dead_are_not_believed_until_their_worker_speaks_again() -> None:
    """The table still lists a killed worker's engines as ready: only a later report counts."""
    seen = fleet_sync()
    seen.update(look(worker("one")), 0.0)
    target = Target("a", "one", "http://one/a")
    found = seen.lost(target, 1.0)
    assert found is not None
    seen.core.lost(found.replicas["a"], 1.0)
    for now in (2.0, FORGET_S + 2, FORGET_S + 5):
        seen.update(look(worker("one")), now)
        assert not found.replicas
    seen.update(look(worker("one", beat=2)), FORGET_S + 6)
    assert "a" in found.replicas
    assert not seen.gone


def test_what_is_held_for_a_worker_in_error_goes_elsewhere() -> None:
    """Only what it has begun stays with it."""
    seen = fleet_sync()
    one = worker("one", slots=1)
    two = worker("two", slots=1)
    seen.update(look(one, two), 0.0)
    pending_requests = [seen.core.submit(RoutedRequest("r", "ada"), "a", 0.0) for _ in range(6)]
    held = seen.core.cluster.workers[0].held
    assert held
    failed = replace(one, device=replace(one.device, status=DeviceStatus.ERROR))
    seen.update(look(failed, two), 1.0)
    assert not seen.core.cluster.workers[0].held
    assert len(seen.core.cluster.workers[1].held) == 4
    assert sum(t.is_sent for t in pending_requests) == 2


def test_what_other_gateways_sent_counts_and_fades() -> None:
    """A report that gets old keeps its value at first, and loses it little by little."""
    seen = fleet_sync()
    seen.update(look(worker("one", active_requests=4, queued_requests=4)), 0.0)
    (found,) = seen.core.cluster.workers
    assert found.others == 8
    seen.update(look(worker("one", active_requests=4, queued_requests=4)), STALE_S)
    assert found.others == 8
    seen.update(look(worker("one", active_requests=4, queued_requests=4)), STALE_S + FADE_S)
    assert found.others == 4
    seen.update(look(worker("one", beat=2, active_requests=6)), STALE_S + FADE_S + 1)
    assert found.others == 6


def test_a_worker_that_others_have_filled_is_dear_but_not_closed() -> None:
    """An empty one is preferred; where there is none, half of the places are still ours."""
    seen = fleet_sync()
    seen.update(look(worker("full", active_requests=8), worker("empty")), 0.0)
    first = seen.core.submit(RoutedRequest("r", "ada"), "a", 0.0)
    assert first.replica is not None
    assert first.replica.worker.device_id == "empty"
    seen = fleet_sync()
    seen.update(look(worker("full", active_requests=8, queued_requests=8)), 0.0)
    sent = [seen.core.submit(RoutedRequest("r", "ada"), "a", 0.0).is_sent for _ in range(8)]
    assert sent == [True] * 4 + [False] * 4


def test_a_device_that_throttles_itself_counts_as_slower_at_once() -> None:
    """Before its slowness was measured; a power cap is no strain, and it ends with the report."""
    seen = fleet_sync()
    hot = worker("hot", throttle_reasons=["hardware_thermal"])
    capped = worker("capped", throttle_reasons=["power_cap"])
    seen.update(look(hot, capped), 0.0)
    told = explain(seen.core.cluster, seen.core.users, RoutedRequest("r", "ada"), "a", now=0.0)
    assert told.chosen == "capped"
    assert {c.device_id: c.strain for c in told.candidates} == {"hot": STRAIN, "capped": 0.0}
    by_name = {c.device_id: c for c in told.candidates}
    assert by_name["hot"].prefill_s == pytest.approx(STRAIN * by_name["capped"].prefill_s)
    seen.update(look(worker("hot", beat=1), worker("capped", beat=1)), 1.0)
    assert {w.strain for w in seen.core.cluster.workers} == {0.0}


def test_what_waits_for_the_dead_goes_to_the_living_alone() -> None:
    """All of a look is known before anything is decided of it: two may have died together."""
    seen = FleetSync((decided := Decided()).dispatcher(ClusterState(256)), Ejection())
    seen.update(look(*map(worker, ("one", "two", "three"))), 0.0)
    measured = seen.core.submit(RoutedRequest("r", "ada", prompt_tokens=2000), "a", 0.0)
    seen.core.first_token(measured, 1.0)
    seen.core.finished(measured, 1.0)
    for _ in range(9):
        seen.core.submit(RoutedRequest("r", "ada", prompt_tokens=8000), "a", 2.0)
    assert [len(w.held) for w in seen.core.cluster.workers] == [2, 2, 2]
    decided.clear()
    seen.update(look(worker("three", 2)), 100.0)
    assert {t.replica.worker.device_id for t in decided.sends if t.replica} == {"three"}
    assert [len(w.held) for w in seen.core.cluster.workers][:2] == [0, 0]
