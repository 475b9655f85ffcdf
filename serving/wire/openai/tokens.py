"""POST /tokenize and /detokenize: text to tokens and back, in vLLM's form."""

from typing import Annotated, Literal

import msgspec
from pydantic import BeforeValidator, Field, model_validator

from modelyard.serving.errors import InvalidRequest
from modelyard.serving.wire.openai.body import WireModel
from modelyard.serving.wire.openai.chat.messages import MAX_MESSAGES, ChatMessage, read_messages

TOKEN_PATHS = ("/tokenize", "/detokenize")
"""These paths are outside /v1, but their errors have OpenAI's format too."""
MAX_TOKENS = 2**20


class TokenizeRequest(WireModel):
    """A text, or a conversation as the model's template writes it."""

    model: str = Field(default="", description="the name of a model", max_length=300)
    prompt: str | None = Field(default=None, description="a string")
    messages: Annotated[tuple[ChatMessage, ...], BeforeValidator(read_messages)] | None = Field(
        default=None, description=f"a list of 1 to {MAX_MESSAGES} messages"
    )
    add_special_tokens: bool | None = Field(default=None, description="true or false")
    add_generation_prompt: Literal[True] = Field(default=True, description="true")
    return_token_strs: bool = Field(default=False, description="true or false")

    @model_validator(mode="after")
    def _one_of_two(self) -> "TokenizeRequest":
        if (self.prompt is None) == (self.messages is None):
            raise InvalidRequest("Send either 'prompt' or 'messages'.", param="prompt")
        if self.messages is not None and self.add_special_tokens:
            raise InvalidRequest(
                "'add_special_tokens' is for a 'prompt': a template writes its own.",
                param="add_special_tokens",
            )
        return self


class DetokenizeRequest(WireModel):
    """Tokens of a model."""

    model: str = Field(default="", description="the name of a model", max_length=300)
    tokens: Annotated[list[int], Field(max_length=MAX_TOKENS)] = Field(
        description="a list of token ids"
    )


class TokenizeReply(msgspec.Struct, frozen=True):
    """The tokens, and the most that a request may have."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None


class DetokenizeReply(msgspec.Struct, frozen=True):
    """The text of the tokens."""

    prompt: str
