"""Checks a request's priority against its user's quota."""

from modelyard.registry.billing.quota import Quota
from modelyard.registry.errors import NotPermitted
from modelyard.serving.routing.policy.request import DEFAULT_PRIORITY


def granted(asked: int | None, quota: Quota) -> int:
    """The requested or the default priority; raises NotPermitted above the user's limit."""
    limit = quota.priority_limit
    if asked is None:
        return min(DEFAULT_PRIORITY, limit)
    if asked > limit:
        raise NotPermitted(
            f"Priority {asked} is above your limit of {limit}.",
            fix=f"Ask for {limit} or less, or have an admin raise your quota's priority_limit.",
        )
    return asked
