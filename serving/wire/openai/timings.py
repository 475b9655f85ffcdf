"""How long a request took and how fast it was, where it asks with `timings: true`."""

import msgspec


class Timings(msgspec.Struct, frozen=True):
    """Milliseconds and tokens a second, named as llama.cpp's server names them.

    `prompt_n` tokens were read, `cached_n` more came from memory; `predicted_per_second` is of the
    tokens after the first. Answers that were written side by side count together, and their times
    are those of the slowest.
    """

    queue_ms: float
    prompt_n: int
    cached_n: int
    prompt_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_second: float
