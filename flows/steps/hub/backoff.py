"""The wait before the next try: doubling with jitter, and what a server asks for."""

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_S = 60.0
"""The longest pause, in seconds, that we choose ourselves."""

_UNTIL_RESET = re.compile(r"(?:^|;)\s*t\s*=\s*(\d{1,9})")


def pause(attempt: int, first_s: float) -> float:
    """Seconds to wait after attempt number `attempt`."""
    own = min(LONGEST_S, first_s * 2 ** (attempt - 1))
    return own * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing


def asked_by(headers: Mapping[str, str]) -> float:
    """Seconds that a refusal asks to wait: by Retry-After, or by the rest of its RateLimit window.

    The Hub writes `RateLimit: "api";r=0;t=60`: nothing remains, and it begins anew in 60 s.
    """
    reset = _UNTIL_RESET.search(headers.get("ratelimit", ""))
    told = headers.get("retry-after", "")
    return max(asked_s(told) if told else 0.0, float(reset[1]) if reset else 0.0)


def asked_s(header: str) -> float:
    """Seconds that a Retry-After header asks for, as number or date; 0 if it is neither."""
    if header.strip().isdecimal():
        return float(header[:20])
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
