"""Where a callback is: it waits for its next try, or has ended."""

from enum import StrEnum


class CallbackState(StrEnum):
    """The last two are ends; a callback that is sent again waits once more."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
