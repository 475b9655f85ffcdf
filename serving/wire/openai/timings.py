"""Timings of a request, sent if it asks with `timings: true`."""

import msgspec


class Timings(msgspec.Struct, frozen=True):
    """Milliseconds and tokens a second, named as llama.cpp's server names them.

    `prompt_n` prompt tokens were computed and `cached_n` more came from the cache;
    `predicted_per_second` covers the tokens after the first. The tokens of parallel answers are
    added up, and their times are those of the slowest.
    """

    queue_ms: float
    prompt_n: int
    cached_n: int
    prompt_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_second: float
