"""The wait before the next attempt: doubling with jitter, or as long as the server asks."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_S = 60.0
"""The longest pause, in seconds, that we choose ourselves."""

MOST_PATIENT_S = 300.0
"""A server that asks for a longer wait, in seconds, counts as down."""


def pause(attempt: int, first_s: float, asked: str | None = None) -> float:
    """Seconds to wait after attempt number `attempt`; `asked` is a Retry-After header."""
    own = min(LONGEST_S, first_s * 2 ** (attempt - 1))
    jittered = own * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
    return max(jittered, asked_s(asked) if asked else 0.0)


def asked_s(header: str) -> float:
    """Seconds that a Retry-After header asks for, as number or date; 0 if it is neither."""
    if header.strip().isdecimal():
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
