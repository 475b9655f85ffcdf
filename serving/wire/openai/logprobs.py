"""Logprobs as OpenAI's clients read them: one form for chat, an older one for completions."""

import msgspec

MAX_TOP = 20
LEAST = -9999.0
"""Stands for minus infinity, which JSON cannot say."""


class TopLogprob(msgspec.Struct, frozen=True):
    """A token that could have stood in a place, and how likely."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(msgspec.Struct, frozen=True):
    """The token that stands in a place, and its likeliest rivals there."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class ChatLogprobs(msgspec.Struct, frozen=True):
    """One entry a token of a chat's answer."""

    content: list[TokenLogprob]
    refusal: None = None


class CompletionLogprobs(msgspec.Struct, frozen=True):
    """Four lists with one entry a token; the prompt's first token has no logprob."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]
