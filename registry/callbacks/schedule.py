"""When a callback is tried again: at the times that Standard Webhooks recommends, for a day."""

import random
from collections.abc import Sequence
from datetime import timedelta

AFTER = tuple(
    timedelta(seconds=seconds)
    for seconds in (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""How long after the first try each one is made."""

JITTER = 0.1
"""A wait is up to this share of it shorter or longer, so that many do not come back together."""


def wait_after(tries: int, after: Sequence[timedelta] = AFTER) -> timedelta | None:
    """How long to wait after so many tries have failed; None after the last."""
    if tries >= len(after):
        return None
    wait = after[tries] - after[tries - 1]
    return wait * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311  no secret
