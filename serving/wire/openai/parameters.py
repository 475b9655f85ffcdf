"""The parameters that chat and text completions share, such as sampling and stops."""

import re
from typing import Annotated, TypeGuard, cast

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from modelyard.serving.errors import InvalidRequest
from modelyard.serving.wire.openai.body import WireModel

MAX_STOPS = 4
MAX_STOP_LENGTH = 1024
MAX_BIASES = 1024
MAX_CHOICES = 8
MOST_TOKEN = 2**31 - 1
_TOKEN = re.compile(r"[0-9]{1,10}")


def _stops(value: object) -> tuple[str, ...]:
    stops: object = [value] if isinstance(value, str) else value
    if not isinstance(stops, list | tuple):
        raise ValueError("neither a string nor a list")  # noqa: TRY004  becomes our message
    stops = cast("list[object]", stops)
    texts = tuple(s for s in stops if isinstance(s, str) and 0 < len(s) <= MAX_STOP_LENGTH)
    if len(texts) != len(stops) or len(texts) > MAX_STOPS:
        raise ValueError("not a stop list")
    return texts


def _is_bias(value: object) -> TypeGuard[float]:
    return type(value) in (int, float) and -100 <= cast("float", value) <= 100


def _biases(value: object) -> dict[int, float]:
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004  becomes our message
    given = cast("dict[str, object]", value)
    if len(given) > MAX_BIASES:
        raise ValueError("too many")
    biases = {int(t): float(b) for t, b in given.items() if _TOKEN.fullmatch(t) and _is_bias(b)}
    if len(biases) != len(given) or max(biases, default=0) > MOST_TOKEN:
        raise ValueError("out of range")
    return biases


class StreamOptions(WireModel):
    """What a stream carries besides the text; what is not known here is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    include_usage: bool = False
    continuous_usage_stats: bool = False
    include_obfuscation: Annotated[bool, Field(le=0)] = False


class Parameters(WireModel):
    """The fields both requests have; a description completes the sentence "it must be …"."""

    model: str = Field(default="", description="the name of a model", max_length=300)
    stream: bool = Field(default=False, description="true or false")
    stream_options: StreamOptions | None = Field(
        default=None,
        description="an object with include_usage or continuous_usage_stats, and only with stream",
    )
    temperature: float = Field(default=1.0, ge=0, le=2, description="a number from 0 to 2")
    top_p: float = Field(default=1.0, gt=0, le=1, description="a number above 0, at most 1")
    top_k: int = Field(
        default=0, ge=-1, le=1_000_000, description="a whole number from 1, or 0 for no limit"
    )
    min_p: float = Field(default=0.0, ge=0, le=1, description="a number from 0 to 1")
    max_tokens: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="a whole number from 1"
    )
    stop: Annotated[tuple[str, ...], BeforeValidator(_stops)] = Field(
        default=(),
        description=f"a string or up to {MAX_STOPS} strings of 1 to {MAX_STOP_LENGTH} characters",
    )
    seed: int | None = Field(
        default=None, ge=-(2**63), le=2**63 - 1, description="a 64-bit whole number"
    )
    presence_penalty: float = Field(default=0.0, ge=-2, le=2, description="a number from -2 to 2")
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2, description="a number from -2 to 2")
    repetition_penalty: float = Field(
        default=1.0, gt=0, le=2, description="a number above 0, at most 2"
    )
    logit_bias: Annotated[dict[int, float], BeforeValidator(_biases)] = Field(
        default={},
        description=f"up to {MAX_BIASES} token ids, each with a number from -100 to 100",
    )

    ignore_eos: bool = Field(default=False, description="true or false")
    timings: bool = Field(default=False, description="true or false")
    n: int = Field(default=1, ge=1, le=MAX_CHOICES, description=f"from 1 to {MAX_CHOICES}")

    @model_validator(mode="after")
    def _options_need_a_stream(self) -> "Parameters":
        if self.stream_options is not None and not self.stream:
            raise InvalidRequest(
                "'stream_options' is only allowed with 'stream': true.", param="stream_options"
            )
        return self

    @property
    def limit(self) -> int | None:
        """Most tokens to generate; None: as many as fit into the context."""
        return self.max_tokens

    @property
    def with_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def with_usage_so_far(self) -> bool:
        """Whether every chunk reports the usage so far."""
        options = self.stream_options
        return options is not None and options.include_usage and options.continuous_usage_stats
