"""A device's history is kept as it was measured, thinned out as it ages, and read in steps."""

from datetime import UTC, datetime, timedelta

from modelyard.registry.database import Database
from modelyard.registry.fleet.device_history import COARSE_S, DeviceHistory, Sample

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
START = int(NOON.timestamp())


def series(count: int, *, begin: int = START, device: str = "gpu-a") -> list[Sample]:
    """One sample each ten seconds, utilization rising by a 64th."""
    return [
        Sample(device, begin + 10 * i, 10, utilization=i / 64, memory_used=1000 * i)
        for i in range(count)
    ]


def test_what_was_kept_is_read_in_steps(db: Database) -> None:
    """Means over whole steps; another device's samples, and other times, are left out."""
    history = DeviceHistory(db)
    history.add([*series(12), *series(3, device="gpu-b")])
    minutes = history.between("gpu-a", NOON, NOON + timedelta(hours=1), 60)
    assert [(m.at, m.seconds) for m in minutes] == [(START, 60), (START + 60, 60)]
    assert [m.utilization for m in minutes] == [2.5 / 64, 8.5 / 64]
    assert [m.memory_used for m in minutes] == [2500, 8500]
    fine = history.between("gpu-a", NOON, NOON + timedelta(seconds=30), 10)
    assert [m.utilization for m in fine] == [0.0, 1 / 64, 2 / 64]


def test_what_a_device_does_not_tell_stays_unknown(db: Database) -> None:
    """No mean is made of nothing, and none of nothing and something but the something."""
    history = DeviceHistory(db)
    history.add([Sample("d", START, 10), Sample("d", START + 10, 10, temperature=50.0)])
    (minute,) = history.between("d", NOON, NOON + timedelta(minutes=1), 60)
    assert (minute.temperature, minute.power_usage, minute.memory_used) == (50.0, None, None)


def test_old_samples_become_minutes_and_then_leave(db: Database) -> None:
    """After a day one a minute, after a month none; thinning twice changes nothing more."""
    history = DeviceHistory(db)
    day = START - 2 * 86_400
    month = START - 40 * 86_400
    history.add([*series(12), *series(12, begin=day), *series(6, begin=month)])
    assert history.thin(NOON) == 10 + 6
    assert history.thin(NOON) == 0
    old = history.between("gpu-a", NOON - timedelta(days=3), NOON - timedelta(days=1), 60)
    assert [(s.at, s.seconds, s.utilization) for s in old] == [
        (day, COARSE_S, 2.5 / 64),
        (day + 60, COARSE_S, 8.5 / 64),
    ]
    assert len(history.between("gpu-a", NOON, NOON + timedelta(hours=1), 1)) == 12


def test_a_sample_written_twice_is_one(db: Database) -> None:
    """A worker that does not know whether its batch arrived may send it again."""
    history = DeviceHistory(db)
    history.add(series(3))
    history.add(series(3))
    assert len(history.between("gpu-a", NOON, NOON + timedelta(hours=1), 10)) == 3
