"""How often a password may be tried."""

import pytest

from modelyard.serving.access.login_throttle import TryCounter
from modelyard.serving.errors import TooManyLogins


class Clock:
    """Seconds that the test decides."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_window_slides() -> None:
    """A try counts for as long as the window is, to the second."""
    clock = Clock()
    counter = TryCounter(tries=2, window_s=60, clock=clock)
    counter.allow("ada")
    clock.now = 30
    counter.allow("ada")
    with pytest.raises(TooManyLogins):
        counter.allow("ada")
    clock.now = 60
    counter.allow("ada")
    with pytest.raises(TooManyLogins):
        counter.allow("ada")


def test_keys_do_not_share_a_window() -> None:
    """One name's guessing locks nobody else out."""
    counter = TryCounter(tries=1)
    counter.allow("ada")
    counter.allow("bob")


def test_a_flood_of_names_takes_no_memory() -> None:
    """Only so many keys are kept; the longest unused leaves first."""
    counter = TryCounter(tries=1, keys=100)
    for i in range(1000):
        counter.allow(str(i))
    counter.allow("0")
    with pytest.raises(TooManyLogins):
        counter.allow("999")
