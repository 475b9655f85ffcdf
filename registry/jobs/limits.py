"""How many jobs may wait, how often one is tried, and how waiting makes it more urgent."""

from dataclasses import dataclass
from datetime import timedelta

AGEING_S = 60.0
"""Seconds of waiting that count as much as one step of priority."""

MOST_ATTEMPTS = 3
"""So many engines may fail with a job before it is given up as `attempts_exhausted`."""

MOST_LAPSES = 20
"""So many processes may be lost that had it in hand, most of them for reasons of their own."""

LEAST_PRIORITY = 1
MOST_PRIORITY = 5
AGEING = timedelta(seconds=AGEING_S)


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """The most jobs that may wait: of all users together, and of one user."""

    queued: int = 200_000
    queued_of_user: int = 100_000
