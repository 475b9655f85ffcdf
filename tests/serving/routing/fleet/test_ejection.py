"""What fails is left alone, but never the whole fleet; retries are a share of traffic."""

from modelyard.serving.routing.fleet.ejection import FAILURES, FIRST_S, MOST_S, STEADY_S, Ejection
from modelyard.serving.routing.retries import FLOOR, RetryBudget

FLEET = ["a", "b", "c", "d"]


def fail(ejection: Ejection, device: str, now: float, times: int = FAILURES) -> None:
    for _ in range(times):
        ejection.failed(device, FLEET, now)


def test_failures_in_a_row_eject_and_a_success_clears_them() -> None:
    """Two and a success and two more are no row."""
    ejection = Ejection()
    fail(ejection, "a", 0.0, FAILURES - 1)
    ejection.succeeded("a")
    fail(ejection, "a", 0.0, FAILURES - 1)
    assert not ejection.is_out("a", 0.0)
    fail(ejection, "a", 0.0, 1)
    assert ejection.is_out("a", FIRST_S - 0.1)
    assert not ejection.is_out("a", FIRST_S)


def test_the_time_grows_with_each_ejection() -> None:
    """One that flaps is back for one request, then out for twice as long."""
    ejection = Ejection()
    fail(ejection, "a", 0.0)
    fail(ejection, "a", FIRST_S, 1)
    assert ejection.is_out("a", FIRST_S * 2.9)


def test_never_more_than_half_of_the_fleet_is_out() -> None:
    """When everything fails the workers are not the reason."""
    ejection = Ejection()
    for device in FLEET:
        fail(ejection, device, 0.0)
    assert [d for d in FLEET if ejection.is_out(d, 1.0)] == ["a", "b"]


def test_retries_stay_a_fifth_of_the_traffic_over_a_floor() -> None:
    """Half of all tries failing does not double the load."""
    budget = RetryBudget()
    retried = 0
    for _ in range(1000):
        budget.asked()
        retried += budget.spend()
    assert retried <= 0.2 * 1000 + FLOOR
    assert retried >= 0.19 * 1000


def test_an_engine_that_ends_again_and_again_is_out_though_it_answers_in_between() -> None:
    """A worker that flaps: three ends within a minute, and then for longer each time."""
    ejection = Ejection()
    now = 0.0
    lasted = list[float]()
    for _ in range(12):
        ejection.fell("a", FLEET, now)
        ejection.fell("a", FLEET, now + 0.1)
        out_s = 0.0
        while ejection.is_out("a", now + out_s):
            out_s += 0.5
        lasted.append(out_s)
        ejection.succeeded("a")
        now += out_s + 5.0
    assert lasted[:6] == [0.0, 0.0, FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert max(lasted) <= MOST_S


def test_a_device_that_was_steady_for_long_begins_anew() -> None:
    """Its next ejection is as short as its first."""
    ejection = Ejection()
    fail(ejection, "a", 0.0)
    fail(ejection, "a", STEADY_S * 2)
    assert ejection.is_out("a", STEADY_S * 2 + FIRST_S - 0.1)
    assert not ejection.is_out("a", STEADY_S * 2 + FIRST_S)


def test_an_engine_that_ends_gives_what_it_had_another_try() -> None:
    """Of a hundred requests on a killed engine none is refused for the want of a budget."""
    budget = RetryBudget()
    budget.granted(100)
    budget.asked()
    assert all(budget.spend() for _ in range(100 + int(FLOOR)))
    assert not budget.spend()
