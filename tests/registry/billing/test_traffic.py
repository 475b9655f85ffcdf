"""Traffic adds up by steps, and its times to the first token are quantiles, on both databases."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.registry.billing.traffic import TrafficBook
from modelyard.registry.billing.traffic_step import FIRST_TOKEN_MS, quantile_ms
from modelyard.registry.billing.usage import UsageBook
from modelyard.registry.database import Database
from tests.serving.metering.rows import row

MINUTE_MS = 60_000


@pytest.fixture
def booked(db: Database) -> TrafficBook:
    """Three requests of this minute, one of them failed, and two of ten minutes ago."""
    now = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
    before = now - 10 * MINUTE_MS
    UsageBook(db).add(
        [
            row(at=now, first_byte_ms=12.0, output_tokens=10, user_id="ada"),
            row(at=now, first_byte_ms=None, output_tokens=0, status="503", user_id="ada"),
            row(at=now + 1, first_byte_ms=70_000.0, output_tokens=5, user_id="bob"),
            row(at=before, first_byte_ms=90.0, output_tokens=1, user_id="bob"),
            row(at=before, first_byte_ms=100.0, output_tokens=2, user_id="bob"),
            row(at=now - 61 * MINUTE_MS, output_tokens=999, user_id="ada"),
        ]
    )
    return TrafficBook(db)


def test_every_step_is_there_and_counts_what_began_in_it(booked: TrafficBook) -> None:
    """Also steps without a request; what began before the first is left out."""
    steps = booked.since(60, 60)
    assert len(steps) == 61
    assert [later.at - step.at for step, later in pairwise(steps)] == [MINUTE_MS] * 60
    assert (steps[-1].requests, steps[-1].failed, steps[-1].output_tokens) == (3, 1, 15)
    assert (steps[-11].requests, steps[-11].failed, steps[-11].output_tokens) == (2, 0, 3)
    assert sum(step.requests for step in steps) == 5


def test_a_user_s_traffic_is_that_user_s_alone(booked: TrafficBook) -> None:
    """Nothing of others is in it."""
    assert sum(step.output_tokens for step in booked.since(60, 60, "ada")) == 10
    assert sum(step.requests for step in booked.since(60, 60, "nobody")) == 0


def test_times_to_the_first_token_are_those_of_answered_requests(booked: TrafficBook) -> None:
    """A request whose engine never answered has none; longer ones than any class count as it."""
    steps = booked.since(60, 60)
    half = steps[-11].quantile_ms(0.5)
    assert half is not None
    assert 75.0 < half <= 100.0
    assert steps[-1].quantile_ms(1.0) == FIRST_TOKEN_MS[-1]
    assert steps[0].quantile_ms(0.5) is None


@given(st.lists(st.integers(0, len(FIRST_TOKEN_MS) - 1), min_size=1), st.floats(0.01, 1.0))
def test_a_quantile_lies_in_the_class_of_the_request_it_is_of(
    places: list[int], share: float
) -> None:
    """That of the request at this place in order, however the steps divide them."""
    found = quantile_ms([{place: 1} for place in places], share)
    assert found is not None
    at = sorted(places)[min(len(places) - 1, int(share * len(places) - 1e-9))]
    low = FIRST_TOKEN_MS[at - 1] if at else 0.0
    assert low <= found <= FIRST_TOKEN_MS[at]
