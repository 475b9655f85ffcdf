"""Settings of the flows: the Hub, Prefect and the quality bounds for versions."""

from pydantic import AliasChoices, Field, SecretStr, field_validator

from modelyard.flows.steps.evaluate.quality_gate import QualityBounds
from modelyard.flows.steps.hub.hub import HubClient
from modelyard.registry.jobs.keeping.settings import QueueSettings

HUB = "https://huggingface.co"


class FlowSettings(QueueSettings):
    """Where models come from, and when one is good enough."""

    hub_endpoint: str = Field(
        default=HUB,
        validation_alias=AliasChoices("HF_ENDPOINT", "hub_endpoint"),
        description="Address of the Hugging Face Hub, or of a mirror of it.",
    )
    hub_token: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("HF_TOKEN", "hub_token"),
        description="Token for gated and private repositories, only ever sent to the Hub itself; "
        "empty: the one of `hf auth login`.",
    )
    hub_attempts: int = Field(
        default=6, ge=1, le=100, description="Tries in a row without a new byte before giving up."
    )
    hub_timeout_s: float = Field(
        default=30.0, gt=0, le=600, description="Seconds of silence after which a try has failed."
    )
    hub_backoff_s: float = Field(
        default=0.5, gt=0, le=60, description="First pause between tries; it doubles up to 60 s."
    )
    hub_longest_wait_s: float = Field(
        default=600.0,
        ge=0,
        le=86_400,
        description="Seconds to wait in all where the Hub asks for it, as its limits do.",
    )
    hub_offline: bool = Field(
        default=False,
        validation_alias=AliasChoices("HF_HUB_OFFLINE", "hub_offline"),
        description="Whether the Hub is never asked.",
    )
    prefect_url: str = Field(
        default="",
        validation_alias=AliasChoices("PREFECT_API_URL", "prefect_url"),
        description="Prefect's API, such as http://127.0.0.1:4200/api; empty: that of "
        "`modelyard up`, else a temporary server.",
    )
    prefect_auth: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("PREFECT_API_AUTH_STRING", "prefect_auth"),
        description="What that Prefect asks for, as name:password; empty: what `modelyard up` "
        "wrote down for its own.",
    )
    gate_max_perplexity_ratio: float = Field(
        default=1.10, gt=1, le=100, description="Most that quantizing may raise the perplexity."
    )
    gate_max_kl: float = Field(
        default=0.10, gt=0, le=100, description="Largest mean KL divergence from the original."
    )
    gate_chance_share: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="Part of the vocabulary's size that the perplexity must stay below; 1: chance.",
    )
    gate_min_similar: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="Part of similar texts an embedding model must place nearer than unlike ones.",
    )
    gate_min_cosine: float = Field(
        default=0.98,
        ge=-1,
        le=1,
        description="Least mean cosine of a quantized embedding model's vectors to the original's.",
    )
    evaluation_characters: int = Field(
        default=10_000,
        ge=4_000,
        le=10_000_000,
        description="How much of the evaluation text to measure on.",
    )
    flow_threads: int = Field(
        default=0, ge=0, le=1024, description="Threads to quantize and measure with; 0: all cores."
    )
    device_memory_gb: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="Memory in GB (10^9 bytes) that models must fit in; 0: ask the devices.",
    )

    reconcile_s: float = Field(
        default=30.0,
        ge=1,
        le=86_400,
        description="Seconds between two looks of `modelyard flows` at MLflow's aliases, which "
        "the catalog follows, and at runs whose process has died.",
    )

    @field_validator("hub_endpoint", "prefect_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @property
    def hub(self) -> HubClient:
        return HubClient(
            self.hub_endpoint,
            self.hub_token.get_secret_value() or self._stored_token(),
            self.hub_attempts,
            self.hub_timeout_s,
            self.hub_backoff_s,
            self.hub_longest_wait_s,
            offline=self.hub_offline,
        )

    def _stored_token(self) -> str:
        """That of `hf auth login`, for the Hub itself alone: a mirror is somebody else's."""
        if self.hub_endpoint != HUB:
            return ""
        from huggingface_hub import constants, get_token

        is_wanted = not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN
        return (get_token() or "") if is_wanted else ""

    @property
    def bounds(self) -> QualityBounds:
        return QualityBounds(
            self.gate_max_perplexity_ratio,
            self.gate_max_kl,
            self.gate_chance_share,
            self.gate_min_similar,
            self.gate_min_cosine,
        )
