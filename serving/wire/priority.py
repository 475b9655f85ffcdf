"""The priority header of a request."""

from modelyard.registry.billing.quota import HIGHEST_PRIORITY
from modelyard.serving.errors import InvalidRequest

PRIORITY = "X-Modelyard-Priority"
_LEVELS = {b"%d" % level: level for level in range(1, HIGHEST_PRIORITY + 1)}


def read_priority(given: bytes | None) -> int | None:
    """The priority, or None without a header; raises InvalidRequest if it is not a valid level."""
    if given is None:
        return None
    level = _LEVELS.get(given)
    if level is None:
        raise InvalidRequest(
            f"{PRIORITY} must be an integer from 1 to {HIGHEST_PRIORITY}, the most urgent.",
            param=PRIORITY,
        )
    return level
