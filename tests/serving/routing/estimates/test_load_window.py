"""How busy a worker is held to be by what it was sent."""

import pytest

from modelyard.serving.routing.estimates.load_window import HALF_LIFE_S, LoadWindow


def _steady(each_s: float, prefill_s: float, whole_s: float, until: float) -> LoadWindow:
    recent = LoadWindow()
    now = 1000.0
    while now < 1000.0 + until:
        recent.add(prefill_s, whole_s, now)
        now += each_s
    return recent


@pytest.mark.parametrize("until", [30.0, 60.0, 3600.0])
def test_steady_work_is_known_from_the_first_half_minute_on(until: float) -> None:
    """Half a second of work each second; M/G/1: 1 / (1 - 0.25) come to each second of prompts."""
    recent = _steady(1.0, 0.25, 0.5, until)
    assert recent.use(1000.0 + until) == pytest.approx(0.5, rel=0.1)
    assert recent.followers == pytest.approx(1 / 0.75, rel=0.1)


def test_more_than_a_worker_can_do_stays_finite() -> None:
    """Prompts of two seconds each second: the share without work counts as a tenth."""
    assert _steady(1.0, 2.0, 2.0, 600.0).followers == pytest.approx(10.0, rel=0.05)


def test_without_sends_nobody_follows_any_more() -> None:
    recent = _steady(1.0, 0.25, 0.5, 600.0)
    before = recent.followers
    use = recent.use(1600.0)
    for second in range(round(10 * HALF_LIFE_S)):
        recent.passed(1600.0 + second)
    assert recent.followers < before / 500
    assert recent.use(1600.0 + 10 * HALF_LIFE_S) < use / 500
