"""How many tokens an answer used."""

import msgspec


class PromptDetails(msgspec.Struct, frozen=True):
    """The part of the prompt that was already in the cache."""

    cached_tokens: int = 0


class Usage(msgspec.Struct, frozen=True):
    """Tokens read and written; the end-of-text token is not counted."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails = PromptDetails()

    @classmethod
    def of(cls, *, prompt: int, completion: int, cached: int = 0) -> "Usage":
        return cls(prompt, completion, prompt + completion, PromptDetails(cached))


class TokenCounts(msgspec.Struct, frozen=True):
    """Usage as the gateway reads it from any kind of answer."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: PromptDetails | None = None

    @property
    def cached_tokens(self) -> int:
        return self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else 0


NOTHING = TokenCounts()


class _Answer(msgspec.Struct, frozen=True):
    usage: TokenCounts | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def read_counts(answer: bytes) -> TokenCounts:
    """The usage in a complete answer; zeros if it has none."""
    try:
        return _decode(answer).usage or NOTHING
    except msgspec.MsgspecError:
        return NOTHING
