"""Pauses double, jitter, end somewhere, and give way to what the server asks."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from modelyard.flows.steps.hub.backoff import LONGEST_S, asked_s, pause


def test_pauses_double_up_to_a_bound() -> None:
    """With jitter, so between half and the whole of the doubled pause."""
    for attempt in range(1, 20):
        whole = min(LONGEST_S, 2.0 ** (attempt - 1))
        assert whole / 2 <= pause(attempt, 1.0) <= whole


def test_the_server_is_waited_for() -> None:
    """A longer Retry-After wins over our own pause."""
    assert pause(1, 0.1, "7") == 7.0


@pytest.mark.parametrize(("header", "seconds"), [("3", 3.0), ("soon", 0.0), ("-1", 0.0)])
def test_numbers_are_seconds(header: str, seconds: float) -> None:
    """Anything that is no number and no date asks for nothing."""
    assert asked_s(header) == seconds


def test_dates_are_understood() -> None:
    """The other form HTTP allows."""
    now = datetime.now(UTC)
    asked = asked_s(format_datetime(now + timedelta(seconds=3000), usegmt=True))
    assert 2999 - (datetime.now(UTC) - now).total_seconds() <= asked <= 3000
    assert asked_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
