"""A request as the router sees it."""

import msgspec

DEFAULT_PRIORITY = 3


class RoutedRequest(msgspec.Struct, frozen=True, gc=False):
    """The properties of one request that routing uses.

    `output_tokens` is the answer's token limit, 0 if unknown. `prefix` holds one hash for each
    block of the prompt, which covers that block and all before it. Priority 5 is the most urgent.
    `gpu_limit` is the number of devices the user may use at once, 0 for no limit.
    """

    request_id: str
    user_id: str
    priority: int = DEFAULT_PRIORITY
    prompt_tokens: int = 1
    output_tokens: int = 0
    prefix: tuple[int, ...] = ()
    gpu_limit: int = 0
