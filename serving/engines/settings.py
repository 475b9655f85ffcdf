"""How a worker starts its engines, unless a model's settings differ."""

from typing import Literal

from pydantic import Field

from modelyard.registry.settings import Section


class EngineSettings(Section):
    """Engines' resources and compute options; part of the worker settings."""

    context_length: int = Field(
        default=0,
        ge=0,
        le=1_048_576,
        description="Tokens of context per request; 0: the model's own, at most 8192, and less "
        "where memory is short.",
    )
    parallel: int = Field(
        default=4,
        ge=1,
        le=256,
        description="Requests one engine works on at the same time; fewer "
        "where it is not set and memory is short.",
    )
    threads: int = Field(
        default=0, ge=0, le=1024, description="Compute threads of one engine; 0: all cores but one."
    )
    gpu_layers: int = Field(
        default=-1, ge=-1, le=10_000, description="Layers kept on the GPU; -1: all that fit."
    )
    speculate: bool = Field(
        default=True, description="Guess tokens and confirm several a step, where that pays."
    )
    draft_model: str = Field(
        default="",
        description="Small registered GGUF model that guesses for those of its vocabulary; "
        "empty: what a text said before is what is guessed.",
    )
    kv_type: Literal["f16", "q8_0"] = Field(
        default="f16",
        description="How keys and values are kept; q8_0: in half the memory, a little slower.",
    )
    spill_bytes: int = Field(
        default=2 * 1024**3,
        ge=0,
        description="Bytes of disk where an engine keeps prompts it has no memory for; 0: none.",
    )
    spill_after_s: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="Seconds without a request until prompts about to lose their memory are saved.",
    )
