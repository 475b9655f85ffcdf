"""What the router is asked to place, and what became of it."""

import msgspec

DEFAULT_PRIORITY = 3


class Work(msgspec.Struct, frozen=True, gc=False):
    """One request as far as routing cares.

    `output_tokens` is the most the answer may have, 0 where nobody said; `prefix` are hashes of the
    prompt's blocks, each of a block and all before it; priority 5 is the most urgent; `gpu_limit`
    is on how many devices the user may have work at the same moment, 0 for any number.
    """

    request_id: str
    user_id: str
    priority: int = DEFAULT_PRIORITY
    prompt_tokens: int = 1
    output_tokens: int = 0
    prefix: tuple[int, ...] = ()
    gpu_limit: int = 0


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What an answered request took; `ttft_s` and `total_s` from its sending, None: not seen."""

    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    ttft_s: float | None
    total_s: float
