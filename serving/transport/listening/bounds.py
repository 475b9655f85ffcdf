"""How large the parts of a request may be, and how long they may take to arrive."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Sizes are in bytes, times in seconds.

    `head_bytes` limits the request line and headers, and separately the chunk framing and trailers
    of a body. `ahead_bytes` and `ahead_requests` limit what is read while an answer is incomplete.
    A head must be complete within `head_s` of its first byte. A body may pause for `body_s` at
    most, and must arrive at `body_rate` bytes a second after the first `body_s`. After a refusal
    or an early answer the server reads and drops up to `dropped_bytes`, after a refusal for up to
    `linger_s`, so that the client sees the answer.
    """

    target_bytes: int = 16 * 1024
    head_bytes: int = 64 * 1024
    headers: int = 128
    ahead_bytes: int = 64 * 1024
    ahead_requests: int = 128
    dropped_bytes: int = 256 * 1024 * 1024
    head_s: float = 6.0
    body_s: float = 30.0
    body_rate: int = 16 * 1024
    idle_s: float = 75.0
    linger_s: float = 5.0
    look_every_s: float = 1.0
