"""A device's history is kept as it was measured, thinned out as it ages, and read in steps."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from modelyard.registry.database import Database
from modelyard.registry.fleet.device_history import (
    HOUR_S,
    MINUTE_S,
    DeviceHistory,
    Sample,
    resolution_s,
)
from modelyard.registry.fleet.rollup import HistoryRollup

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


def test_old_samples_become_minutes_and_then_hours(db: Database) -> None:
    """After a day one a minute, after a month one an hour, which stays for ever."""
    history = DeviceHistory(db)
    day = START - 2 * 86_400
    month = START - 40 * 86_400
    history.add([*series(12), *series(12, begin=day), *series(12, begin=month)])
    assert HistoryRollup(db).run(NOON) == 10 + 11
    old = history.between("gpu-a", NOON - timedelta(days=3), NOON - timedelta(days=1), 60)
    assert [(s.at, s.seconds, s.utilization) for s in old] == [
        (day, MINUTE_S, 2.5 / 64),
        (day + 60, MINUTE_S, 8.5 / 64),
    ]
    (hour,) = history.between("gpu-a", NOON - timedelta(days=41), NOON - timedelta(days=39), HOUR_S)
    assert (hour.at, hour.utilization, hour.memory_used) == (month, 5.5 / 64, 5500)
    assert len(history.between("gpu-a", NOON, NOON + timedelta(hours=1), 1)) == 12
    far = NOON + timedelta(days=4000)
    HistoryRollup(db).run(far)
    (kept, *_) = history.between("gpu-a", NOON - timedelta(days=41), far, HOUR_S)
    assert (kept.at, kept.utilization) == (month, 5.5 / 64)


def test_a_rollup_is_done_once_an_hour_by_whoever_comes_first(db: Database) -> None:
    """The second finds nothing to do; in the next hour there is more."""
    DeviceHistory(db).add(series(12, begin=START - 2 * 86_400))
    rollup = HistoryRollup(db)
    assert [rollup.run(NOON), rollup.run(NOON)] == [10, 0]
    DeviceHistory(db).add(series(6, begin=START - 86_400))
    assert [rollup.run(NOON), rollup.run(NOON + timedelta(hours=1))] == [0, 5]


def test_a_rollup_that_is_broken_off_leaves_everything_as_it_was(db: Database) -> None:
    """Also the mark, so that the next one does the work."""
    history = DeviceHistory(db)
    history.add(series(12, begin=START - 2 * 86_400))

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    event.listen(db.engine, "commit", crash)
    with pytest.raises(KeyboardInterrupt):
        HistoryRollup(db).run(NOON)
    event.remove(db.engine, "commit", crash)
    assert HistoryRollup(db).run(NOON) == 10


def test_a_sample_that_comes_late_is_merged_with_its_minute(db: Database) -> None:
    """By the seconds that each is about; the minute was written an hour ago."""
    history = DeviceHistory(db)
    day = START - 2 * 86_400
    history.add([Sample("d", day, 10, utilization=0.5)])
    HistoryRollup(db).run(NOON)
    history.add([Sample("d", day + 10, 10, utilization=1.0)])
    HistoryRollup(db).run(NOON + timedelta(hours=1))
    (minute,) = history.between("d", NOON - timedelta(days=3), NOON, MINUTE_S)
    assert minute.utilization == pytest.approx((0.5 * 60 + 1.0 * 10) / 70)


def test_older_times_are_read_in_the_steps_that_are_kept() -> None:
    """A chart of finer steps would be mostly gaps."""
    ages = {timedelta(hours=23): 1, timedelta(days=29): MINUTE_S, timedelta(days=31): HOUR_S}
    assert {age: resolution_s(NOON - age, NOON) for age in ages} == ages


def test_a_sample_written_twice_is_one(db: Database) -> None:
    """A worker that does not know whether its batch arrived may send it again."""
    history = DeviceHistory(db)
    history.add(series(3))
    history.add(series(3))
    assert len(history.between("gpu-a", NOON, NOON + timedelta(hours=1), 10)) == 3
