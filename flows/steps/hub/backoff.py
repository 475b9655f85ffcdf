"""How long to wait before the next try: doubling with jitter, or as long as the server asks."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_S = 60.0
"""No pause of our own is longer."""

MOST_PATIENT_S = 300.0
"""A server that asks for more than this is taken to be down."""


def pause(attempt: int, first_s: float, asked: str | None = None) -> float:
    """Seconds before try number `attempt` + 1; `asked` is a Retry-After header."""
    own = min(LONGEST_S, first_s * 2 ** (attempt - 1))
    jittered = own * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
    return max(jittered, asked_s(asked) if asked else 0.0)


def asked_s(header: str) -> float:
    """Seconds a Retry-After header asks for, as a number or a date; 0 where it is neither."""
    if header.strip().isdecimal():
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
