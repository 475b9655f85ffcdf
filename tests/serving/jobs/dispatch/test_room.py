"""How many jobs may run beside live traffic."""

from modelyard.serving.jobs.dispatch.pace import BackgroundPace, FirstBytes
from modelyard.serving.jobs.dispatch.room import RoomView
from modelyard.serving.observability.request_record import Histogram


def test_where_nothing_is_loaded_one_job_has_it_loaded() -> None:
    """More of them would only wait in the router."""
    assert RoomView().urgent(in_hand=0) == 1
    assert RoomView().urgent(in_hand=1) == 0
    assert RoomView().background(in_hand=0) == 1


def test_an_idle_engine_is_filled() -> None:
    """Urgent jobs a little more than that, so that the next one waits where the last one ends."""
    idle = RoomView(slots=8, free=8)
    assert idle.urgent(0) == 10
    assert idle.background(0) == 8


def test_who_is_live_and_waits_goes_first() -> None:
    """While a client's request waits for a place, no job takes one."""
    crowded = RoomView(slots=8, free=1, live=7, live_waiting=1)
    assert crowded.urgent(0) == 0
    assert crowded.background(0) == 0


def test_background_work_leaves_a_place_to_live_traffic() -> None:
    """The next client finds one free; and no prompt is sent behind which it would wait."""
    assert RoomView(slots=8, free=4, live=4).background(0) == 3
    assert RoomView(slots=8, free=1, live=7).background(7) == 0
    assert RoomView(slots=8, free=8, is_prompt=False).background(0) == 0


def test_background_work_grows_by_steps_and_shrinks_at_once() -> None:
    """Additive increase while it uses what it has; half as much at each sign of a crowd."""
    pace = BackgroundPace(limit=2.0)
    for second in range(1, 5):
        pace.look(float(second), pace.room(0), is_crowded=False, step=2)
    assert pace.limit == 10
    pace.look(4.5, 10, is_crowded=True, step=2)
    assert pace.limit == 10  # not twice within a second
    for second in (5, 6, 7, 8):
        pace.look(float(second), 10, is_crowded=True, step=2)
    assert pace.limit == 1


def test_background_work_that_is_not_used_does_not_grow() -> None:
    """A limit far above what runs would come down too late."""
    pace = BackgroundPace(limit=8.0)
    for second in range(1, 10):
        pace.look(float(second), 1, is_crowded=False, step=2)
    assert pace.limit == 8


def test_slower_first_bytes_are_a_crowd() -> None:
    """What is usual is what live requests take without background work beside them."""
    seen = Histogram()
    looks = FirstBytes()
    observe(seen, 10, 0.1)
    assert not looks.are_late(seen, is_alone=True)
    observe(seen, 10, 0.11)
    assert not looks.are_late(seen, is_alone=False)
    observe(seen, 3, 9.0)
    assert not looks.are_late(seen, is_alone=False)  # too few to say
    observe(seen, 7, 0.2)
    assert looks.are_late(seen, is_alone=False)


def observe(seen: Histogram, times: int, seconds: float) -> None:
    for _ in range(times):
        seen.observe(seconds)
