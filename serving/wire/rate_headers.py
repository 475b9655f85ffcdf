"""Headers that tell a client how much of its rate limit is left, named as OpenAI's."""

import math
from functools import lru_cache

import msgspec

LIMIT = "x-ratelimit-limit-requests"
REMAINING = "x-ratelimit-remaining-requests"
RESET = "x-ratelimit-reset-requests"
RATE_HEADERS = (LIMIT, REMAINING, RESET)
_LIMIT, _REMAINING, _RESET = (name.encode() for name in RATE_HEADERS)


class RateLimitStatus(msgspec.Struct, frozen=True, gc=False):
    """What is left of a rate limit; without new requests it is full again in `reset_s` seconds."""

    limit: int
    remaining: int
    reset_s: float


def rate_headers(room: RateLimitStatus | None) -> dict[str, str]:
    """The headers as strings; empty if nothing is limited."""
    if room is None:
        return {}
    return {
        LIMIT: str(room.limit),
        REMAINING: str(room.remaining),
        RESET: duration(room.reset_s),
    }


def raw_rate_headers(room: RateLimitStatus) -> list[tuple[bytes, bytes]]:
    """The headers as ASGI's byte pairs; their durations are cached, as rates have few periods."""
    return [
        (_LIMIT, b"%d" % room.limit),
        (_REMAINING, b"%d" % room.remaining),
        (_RESET, _raw_duration(room.reset_s)),
    ]


def retry_headers(retry_after_s: float) -> dict[str, str]:
    """Retry headers: in whole seconds, and in milliseconds for clients such as OpenAI's."""
    milliseconds = math.ceil(retry_after_s * 1000)
    return {
        "Retry-After": str(max(1, math.ceil(retry_after_s))),
        "retry-after-ms": str(max(1, milliseconds)),
    }


def duration(seconds: float) -> str:
    """A duration in OpenAI's format: 250ms, 6s, 1m0s, 1h0m0s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    return f"{text}{minutes}m{rest}s" if minutes or hours else f"{rest}s"


@lru_cache(maxsize=64)
def _raw_duration(seconds: float) -> bytes:
    return duration(seconds).encode()
