"""Memory, restarts and quarantine follow rules that hold for every input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.worker.residency.eviction import (
    ATTEMPTS,
    QUARANTINE_S,
    RESTART_MOST_S,
    DeviceFull,
    DoesNotFit,
    LoadFailures,
    MemoryBudget,
    MemoryShare,
    choose_victims,
    restart_delay,
)

GIB = 1 << 30

rooms = st.builds(
    MemoryBudget,
    total=st.integers(1, 100 * GIB),
    free=st.integers(0, 100 * GIB),
    fraction=st.floats(0.1, 1.0),
)
holdings = st.lists(
    st.builds(
        MemoryShare,
        version_id=st.uuids().map(str),
        memory=st.integers(0, 20 * GIB),
        last_used=st.floats(0, 1e6),
        busy=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda h: h.version_id,
)


@given(need=st.integers(0, 120 * GIB), room=rooms, held=holdings)
def test_what_is_admitted_fits_and_nobody_at_work_leaves(
    need: int, room: MemoryBudget, held: list[MemoryShare]
) -> None:
    """After the eviction the new one fits, no victim was busy, and none left for nothing."""
    try:
        victims = choose_victims("m@1", need, room, held)
    except DoesNotFit:
        return
    gone = [h for h in held if h.version_id in victims]
    freed = sum(h.memory for h in gone)
    assert not any(h.busy for h in gone)
    assert need <= max(0, room.left(held)) + freed
    assert all(need > room.left(held) + freed - h.memory for h in gone)


@given(need=st.integers(0, 120 * GIB), room=rooms, held=holdings)
def test_a_refusal_means_that_evicting_all_idle_ones_is_not_enough(
    need: int, room: MemoryBudget, held: list[MemoryShare]
) -> None:
    """Nothing is refused that could have been made to fit; for ever only past the limit."""
    idle = sum(h.memory for h in held if not h.busy)
    if need > room.limit:
        with pytest.raises(DoesNotFit):
            choose_victims("m@1", need, room, held)
    elif need > room.left(held) + idle:
        with pytest.raises(DeviceFull):
            choose_victims("m@1", need, room, held)
    else:
        choose_victims("m@1", need, room, held)


def test_the_least_recently_used_leaves_first() -> None:
    """Of equals, age decides."""
    held = [
        MemoryShare("new", GIB, 3.0),
        MemoryShare("old", GIB, 1.0),
        MemoryShare("middle", GIB, 2.0),
    ]
    room = MemoryBudget(total=4 * GIB, free=4 * GIB, fraction=1.0)
    assert choose_victims("m@1", 2 * GIB, room, held) == ("old",)
    assert choose_victims("m@1", 3 * GIB, room, held) == ("old", "middle")


def test_what_is_kept_warm_leaves_last() -> None:
    """It goes only where the others are not enough, however long nobody asked for it."""
    held = [
        MemoryShare("kept", GIB, 1.0, kept=True),
        MemoryShare("new", GIB, 3.0),
        MemoryShare("old", GIB, 2.0),
    ]
    room = MemoryBudget(total=4 * GIB, free=4 * GIB, fraction=1.0)
    assert choose_victims("m@1", 3 * GIB, room, held) == ("old", "new")
    assert choose_victims("m@1", 4 * GIB, room, held) == ("old", "new", "kept")


def test_an_old_small_one_is_spared_when_a_larger_one_has_to_leave_anyway() -> None:
    """Two leave only where one would not do; the more recently used one is spared."""
    held = [MemoryShare("old", 3 * GIB, 1.0), MemoryShare("new", GIB, 2.0)]
    room = MemoryBudget(total=4 * GIB, free=4 * GIB, fraction=1.0)
    assert choose_victims("m@1", 3 * GIB, room, held) == ("old",)


def test_memory_promised_to_a_load_is_not_given_twice() -> None:
    """What is still loading has not taken its share yet, so measured free memory is not ours."""
    held = [MemoryShare("loading", 3 * GIB, 1.0, busy=True, loading=True)]
    room = MemoryBudget(total=8 * GIB, free=4 * GIB, fraction=1.0)
    with pytest.raises(DeviceFull):
        choose_victims("m@1", 2 * GIB, room, held)


def test_a_refusal_names_need_free_and_total() -> None:
    """The numbers are in the message and in the error."""
    with pytest.raises(DoesNotFit, match=r"m@1 needs 9\.0 GiB.*7\.2 GiB.*8\.0 GiB") as refusal:
        choose_victims("m@1", 9 * GIB, MemoryBudget(8 * GIB, 8 * GIB, 0.9), [])
    assert (refusal.value.need, refusal.value.total) == (9 * GIB, 8 * GIB)
    assert refusal.value.fix


@given(failures=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_a_restart_waits_longer_each_time_but_never_too_long(failures: int, chance: float) -> None:
    """The delay is positive, bounded, and never shorter than the one before."""
    delay = restart_delay(failures, chance)
    assert 0 < delay <= RESTART_MOST_S
    assert restart_delay(failures + 1, chance) >= delay


@given(now=st.floats(0, 1e6), later=st.floats(0, 2 * QUARANTINE_S))
def test_a_quarantine_begins_at_the_last_attempt_and_passes(now: float, later: float) -> None:
    """Before ATTEMPTS failures there is none; after it a version begins anew."""
    failures = LoadFailures()
    for _ in range(ATTEMPTS):
        assert failures.quarantine_left(now) == 0.0
        failures = failures.and_now(now)
    left = failures.quarantine_left(now + later)
    assert left == pytest.approx(max(0.0, QUARANTINE_S - later), abs=1e-3)
    assert failures.as_of(now + later).count == (ATTEMPTS if left else 0)
