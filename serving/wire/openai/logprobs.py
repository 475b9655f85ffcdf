"""Logprobs in OpenAI's format: one for chat, an older one for completions."""

import msgspec

MAX_TOP = 20
LEAST = -9999.0
"""Stands for minus infinity, which JSON cannot express."""


class TopLogprob(msgspec.Struct, frozen=True):
    """A candidate token for one position, and its logprob."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(msgspec.Struct, frozen=True):
    """The chosen token at one position, and the likeliest candidates for it."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class ChatLogprobs(msgspec.Struct, frozen=True):
    """One entry for each token of a chat answer."""

    content: list[TokenLogprob]
    refusal: None = None


class CompletionLogprobs(msgspec.Struct, frozen=True):
    """Four lists with one entry for each token; the prompt's first token has no logprob."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]
