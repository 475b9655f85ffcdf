"""Pauses double, jitter, end somewhere, and give way to what the server asks."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from modelyard.flows.steps.hub.backoff import LONGEST_S, asked_by, asked_s, pause


def test_pauses_double_up_to_a_bound() -> None:
    """With jitter, so between half and the whole of the doubled pause."""
    for attempt in range(1, 20):
        whole = min(LONGEST_S, 2.0 ** (attempt - 1))
        assert whole / 2 <= pause(attempt, 1.0) <= whole


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"ratelimit": '"api";r=0;t=60'}, 60.0),
        ({"ratelimit": '"resolvers"; r=0; t=12', "retry-after": "7"}, 12.0),
        ({"ratelimit": '"t=90";r=0'}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_wait_is_the_longest_that_a_header_asks_for(
    headers: dict[str, str], seconds: float
) -> None:
    """Retry-After, and the Hub's RateLimit, whose `t` is when it begins anew."""
    assert asked_by(headers) == seconds


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
