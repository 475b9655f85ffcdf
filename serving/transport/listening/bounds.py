"""How large the parts of a request may be, and how long they may take to come."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Sizes are in bytes, times in seconds.

    `head_bytes` holds for request line and headers, and once more for what frames a body in chunks
    and its trailers. `ahead_bytes` and `ahead_requests` may be read while an answer is not
    complete. A head is complete within `head_s` of its first byte; a body makes a pause of
    `body_s` at most, and comes at `body_rate` bytes a second once `body_s` are over. Of what is
    refused or was answered already `dropped_bytes` are read on, so that the client sees the
    answer; `linger_s` is how long.
    """

    target_bytes: int = 16 * 1024
    head_bytes: int = 64 * 1024
    headers: int = 128
    ahead_bytes: int = 64 * 1024
    ahead_requests: int = 128
    dropped_bytes: int = 64 * 1024 * 1024
    head_s: float = 6.0
    body_s: float = 30.0
    body_rate: int = 16 * 1024
    idle_s: float = 75.0
    linger_s: float = 5.0
    look_every_s: float = 1.0
