"""Settings of the serving tier: the gateway's door, the worker's devices, the engines' sizes."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from modelyard.registry.settings import Section

MOST_REQUESTS = 1_000_000
"""A limit's log has one entry for each request it lets in."""

LOAD_SLACK_S = 30.0
"""Seconds a worker may take on top of an engine's start, to make room for it."""

Requests = Annotated[int, Field(ge=0, le=MOST_REQUESTS)]


def _either(name: str) -> AliasChoices:
    """Named as our settings are, or as the AI_ settings of the rollout."""
    return AliasChoices(f"MODELYARD_{name.upper()}", f"AI_{name.upper()}", name)


class ServingSettings(Section):
    """How versions are served on this machine, and where clients find them."""

    host: str = Field(default="127.0.0.1", description="Address the gateway listens on.")
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port the gateway listens on; 0: any free one."
    )
    gateway_url: str = Field(
        default="", description="Address of the gateway for clients; empty: the running `up`'s."
    )
    api_key: SecretStr = Field(
        default=SecretStr(""),
        description="Key that local commands send; empty: the running `up`'s.",
    )
    cors_origins: str = Field(
        default="",
        description="Web origins that may call the API from a browser, separated by commas.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses of proxies whose X-Forwarded-For is believed, separated by commas.",
    )
    address_connections: int = Field(
        default=1024,
        ge=0,
        le=1_000_000,
        description="Connections of one address that may be open without a request at work; "
        "trusted proxies may have any number; 0: no bound.",
    )
    answer_timeout_s: float = Field(
        default=600.0, ge=1, le=7200, description="Seconds an engine may be silent in an answer."
    )
    hedge_after_s: float = Field(
        default=0.0,
        ge=0,
        le=600,
        description="Seconds without a byte from its engine until a request is also sent to one "
        "more worker that has its version and is free, within the budget of retries; 0: never.",
    )
    unread_timeout_s: float = Field(
        default=150.0,
        gt=0,
        le=86_400,
        description="Seconds a client may take nothing of an answer that waits for it; then it is "
        "cut off, and what was written is booked.",
    )
    unread_bytes: int = Field(
        default=256 * 1024**2,
        ge=1024**2,
        description="Bytes of answers that may wait in the gateway for clients that do not read, "
        "a sixteenth of it for one of them.",
    )
    access_log: str = Field(
        default="",
        description="File of a JSON line for every request to a model; -: standard output; "
        "empty: none.",
    )
    rpm: Requests = Field(
        default=0,
        validation_alias=_either("rpm"),
        description="Requests a minute that all users together may send; 0: no limit.",
    )
    rph: Requests = Field(
        default=0, validation_alias=_either("rph"), description="The same for an hour."
    )
    user_rpm: Requests = Field(
        default=0,
        validation_alias=_either("user_rpm"),
        description="Requests a minute that each user may send; 0: no limit.",
    )
    user_rph: Requests = Field(
        default=0, validation_alias=_either("user_rph"), description="The same for an hour."
    )
    max_concurrency: Requests = Field(
        default=0, description="Requests that may be answered at the same time; 0: no limit."
    )
    user_max_concurrency: Requests = Field(
        default=1000, description="Requests of one user at the same time; 0: no limit."
    )
    redis_patience_s: float = Field(
        default=0.05,
        gt=0,
        le=10,
        description="Seconds a limit's answer from Redis is waited for before this gateway lets in "
        "its share by itself.",
    )
    worker_host: str = Field(
        default="127.0.0.1", description="Address the worker and its engines listen on."
    )
    device: str = Field(
        default="",
        description="Device of this worker: cpu-0, gpu-0 or a GPU's UUID; empty: the first GPU, "
        "else the CPU.",
    )
    node: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_.-]{0,60}$",
        description="Prefix of the CPU's device id, where several machines without a GPU share "
        "one database.",
    )
    worker_heartbeat_s: float = Field(
        default=2.0, ge=0.1, le=60, description="Seconds between a worker's signs of life."
    )
    device_sample_s: float = Field(
        default=10.0, ge=1, le=3600, description="Seconds between samples of a device's history."
    )
    worker_alive_s: float = Field(
        default=15.0, ge=1, le=600, description="Seconds without one until a worker counts as gone."
    )
    engine_start_timeout_s: float = Field(
        default=300.0, ge=1, le=7200, description="Seconds a version may take to load."
    )
    promotion_wait_s: float = Field(
        default=300.0,
        ge=1,
        le=7200,
        description="Seconds a promotion waits until its version answers; then the alias moves "
        "all the same.",
    )
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
    memory_fraction: float = Field(
        default=0.9, gt=0, le=1, description="Share of a device's memory that versions may fill."
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

    @field_validator("access_log")
    @classmethod
    def _file_from_anywhere(cls, value: str) -> str:
        return str(Path(value).absolute()) if value not in ("", "-") else value

    @property
    def load_timeout_s(self) -> float:
        """Seconds within which a worker says whether it has loaded a version."""
        return self.engine_start_timeout_s + LOAD_SLACK_S

    @property
    def origins(self) -> list[str]:
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]

    @model_validator(mode="after")
    def _alive_outlasts_heartbeats(self) -> "ServingSettings":
        if self.worker_alive_s < 2 * self.worker_heartbeat_s:
            raise ValueError("worker_alive_s must be at least twice worker_heartbeat_s")
        return self
