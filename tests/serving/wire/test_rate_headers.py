"""How much is left, and when there is more, as OpenAI's clients read it."""

import pytest

from modelyard.serving.wire.rate_headers import (
    RateLimitStatus,
    duration,
    rate_headers,
    retry_headers,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "13ms"),
        (1, "1s"),
        (6.2, "7s"),
        (60, "1m0s"),
        (61, "1m1s"),
        (3600, "1h0m0s"),
        (3725, "1h2m5s"),
    ],
)
def test_durations_are_written_as_openai_writes_them(seconds: float, text: str) -> None:
    """Rounded up: nobody comes too early."""
    assert duration(seconds) == text


def test_waiting_is_told_in_seconds_and_in_milliseconds() -> None:
    """Both rounded up, and never 0."""
    assert retry_headers(0.0001) == {"Retry-After": "1", "retry-after-ms": "1"}
    assert retry_headers(59.0001) == {"Retry-After": "60", "retry-after-ms": "59001"}


def test_nothing_is_told_where_nothing_is_limited() -> None:
    """An answer without limits has no such headers."""
    assert rate_headers(None) == {}
    assert list(rate_headers(RateLimitStatus(5, 4, 60)).values()) == ["5", "4", "1m0s"]
