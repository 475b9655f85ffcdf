"""The errors for callers that are not admitted: what is used up, and when to retry."""

from modelyard.registry.billing.quota import Quota
from modelyard.registry.database import utc_now
from modelyard.serving.admission.limits import Rate
from modelyard.serving.errors import QuotaExceeded, RateLimited, TooBusy

BUSY_RETRY_S = 1.0
"""Seconds to retry after; when a running request ends is unknown."""

NO_END_RETRY_S = 3600.0
"""Seconds to retry after for a quota that never ends: an admin has to raise it."""


def too_busy(most: int, *, per_user: bool) -> TooBusy:
    whose = "You have" if per_user else "The gateway has"
    return TooBusy(
        f"{whose} {most} requests running, which is as many as may.",
        BUSY_RETRY_S,
        fix="Wait until one has ended.",
    )


def quota_exceeded(quota: Quota) -> QuotaExceeded:
    end = quota.expiration_time
    wait_s = NO_END_RETRY_S if end is None else max(1.0, (end - utc_now()).total_seconds())
    return QuotaExceeded(
        f"Your quota of {quota.request_limit} requests is used up.",
        wait_s,
        fix="Ask an administrator for a larger one."
        if end is None
        else f"It ends at {end:%Y-%m-%dT%H:%M:%SZ}.",
    )


def rate_limited(rate: Rate, retry_us: float, reset_us: float) -> RateLimited:
    """The error for a full `rate`; without Redis that is this gateway's share of the rate."""
    return RateLimited(
        f"The limit of {rate} is reached.", retry_us / 1e6, rate.limit, reset_us / 1e6
    )
