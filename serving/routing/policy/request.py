"""What the router is asked to place."""

import msgspec

DEFAULT_PRIORITY = 3


class RoutedRequest(msgspec.Struct, frozen=True, gc=False):
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
