"""The fleet shows living workers and what they have loaded, and forgets the dead."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from modelyard.registry.database import Database, utc_now
from modelyard.registry.fleet.fleet import EngineState, EngineView, Fleet
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.fleet.tables import WorkerRow


@pytest.fixture
def fleet(db: Database) -> Fleet:
    return Fleet(db)


def _age(fleet: Fleet, seconds: float) -> None:
    with fleet.db.begin() as session:
        session.execute(
            update(WorkerRow).values(heartbeat_at=utc_now() - timedelta(seconds=seconds))
        )


def test_a_worker_lives_by_its_heartbeat(fleet: Fleet) -> None:
    """Registered it shows; silent for long not; a heartbeat brings it back, measured anew."""
    fleet.register_worker("cpu-0", "http://127.0.0.1:1", 7, DeviceReport(memory_used=1))
    fleet.put_engine(EngineView("cpu-0", "v1", EngineState.READY, "http://127.0.0.1:2"))
    _age(fleet, 20)
    assert fleet.workers() == []
    assert fleet.engines() == []
    assert len(fleet.workers(live_within_s=60)) == 1
    assert fleet.heartbeat("cpu-0", DeviceReport(memory_used=2))
    (worker,) = fleet.workers()
    assert (worker.pid, worker.device) == (7, DeviceReport(memory_used=2))
    assert len(fleet.engines()) == 1


def test_an_unknown_workers_heartbeat_asks_it_to_register(fleet: Fleet) -> None:
    """Whoever was removed meanwhile notices."""
    assert not fleet.heartbeat("cpu-0", DeviceReport())


def test_a_worker_that_starts_again_has_nothing_loaded(fleet: Fleet) -> None:
    """What the dead one had loaded died with it; other devices keep theirs."""
    for device in ("a", "b"):
        fleet.register_worker(device, "http://127.0.0.1:1", 1, DeviceReport())
        fleet.put_engine(EngineView(device, "v1", EngineState.READY))
    fleet.register_worker("a", "http://127.0.0.1:9", 2, DeviceReport())
    assert [engine.device_id for engine in fleet.engines()] == ["b"]
    assert [worker.pid for worker in fleet.workers()] == [2, 1]


def test_an_engines_latest_word_counts(fleet: Fleet) -> None:
    """One row a version and device, replaced by each report."""
    fleet.register_worker("a", "http://127.0.0.1:1", 1, DeviceReport())
    loading = EngineView("a", "v1", EngineState.LOADING)
    failed = EngineView("a", "v1", EngineState.FAILED, "u", 5, 10**11, 1.5, 3, "x" * 5000)
    fleet.put_engine(loading)
    assert fleet.engines() == [loading]
    fleet.put_engine(failed)
    (engine,) = fleet.engines()
    assert (engine.memory_bytes, engine.restarts, len(engine.error)) == (10**11, 3, 2000)
    fleet.remove_engine("a", "v1")
    assert fleet.engines() == []


def test_a_worker_that_ends_takes_its_engines_along(fleet: Fleet) -> None:
    """Nothing is routed to where nobody is."""
    fleet.register_worker("a", "http://127.0.0.1:1", 1, DeviceReport())
    fleet.put_engine(EngineView("a", "v1", EngineState.READY))
    fleet.remove_worker("a")
    assert fleet.workers() == []
    assert fleet.engines(live_within_s=1e6) == []
