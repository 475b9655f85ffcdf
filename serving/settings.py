"""Settings of the gateway, and those that gateway and workers must agree on."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, field_validator, model_validator

from modelyard.registry.jobs.keeping.settings import QueueSettings
from modelyard.registry.settings import Section

MOST_REQUESTS = 1_000_000
"""A limit's log has one entry for each request it lets in."""

LOAD_SLACK_S = 30.0
"""Seconds a worker may take on top of an engine's start, to make room for it."""

Requests = Annotated[int, Field(ge=0, le=MOST_REQUESTS)]


def _either(name: str) -> AliasChoices:
    """Named as our settings are, or as the AI_ settings of the rollout."""
    return AliasChoices(f"MODELYARD_{name.upper()}", f"AI_{name.upper()}", name)


class FleetSettings(Section):
    """What gateway and workers must agree on, in seconds; it is part of the settings of both."""

    worker_heartbeat_s: float = Field(
        default=2.0, ge=0.1, le=60, description="Seconds between a worker's signs of life."
    )
    worker_alive_s: float = Field(
        default=15.0,
        ge=1,
        le=600,
        description="Seconds without a sign of life until a worker counts as gone.",
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

    @property
    def load_timeout_s(self) -> float:
        """Seconds within which a worker says whether it has loaded a version."""
        return self.engine_start_timeout_s + LOAD_SLACK_S

    @model_validator(mode="after")
    def _alive_outlasts_heartbeats(self) -> Self:
        if self.worker_alive_s < 2 * self.worker_heartbeat_s:
            raise ValueError("worker_alive_s must be at least twice worker_heartbeat_s")
        return self


class NoticeSettings(Section):
    """Whom notices are sent to, and what is worth an alert; 0 switches an alert off."""

    notice_connections: int = Field(
        default=20,
        ge=1,
        le=100_000,
        description="Connections for notices that a user may have at one gateway.",
    )
    notice_backlog: int = Field(
        default=256,
        ge=1,
        le=100_000,
        description="Notices that may wait for a listener that does not read; with one more it has "
        "to come again.",
    )
    alert_temperature: float = Field(
        default=90.0,
        ge=0,
        le=200,
        description="Degrees Celsius from which a device is too hot; the alert ends 5 below.",
    )
    alert_memory: float = Field(
        default=0.98,
        ge=0,
        le=1,
        description="Share of a device's memory from which it is too full; the alert ends 0.03 "
        "below.",
    )
    alert_error_rate: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share of a device's requests of five minutes that fail, from which there is "
        "an alert; it ends at half of that.",
    )


class FileSettings(Section):
    """How much users may keep in files, and for how long."""

    user_files_gb: float = Field(
        default=10.0,
        gt=0,
        le=1e6,
        description="GB (10^9 bytes) of files for batches that a user may keep; what batches write "
        "counts too.",
    )
    files_days: float = Field(
        default=30.0,
        gt=0,
        le=3650,
        description="Days after which a user's files are removed.",
    )


class RequestSettings(FileSettings, QueueSettings):
    """Requests that outlive a connection: who works on them, how many may wait, how long kept."""

    dispatch: Literal["gateway", "apart", "off"] = Field(
        default="gateway",
        description="Who hands queued requests to engines: gateway: every gateway, beside its live "
        "traffic; apart: only `modelyard dispatcher`; off: nobody, they wait, as do batches and "
        "callbacks.",
    )
    dispatcher_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of `modelyard dispatcher` and its /metrics; 0: any free one.",
    )
    queued_requests: int = Field(
        default=200_000,
        ge=1,
        le=10_000_000,
        description="Requests of all users together that may wait in the queue.",
    )
    user_queued_requests: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Requests of one user that may wait in the queue.",
    )
    callback_hosts: str = Field(
        default="",
        max_length=10_000,
        description="Hosts, addresses and networks (10.0.0.0/8), separated by commas, that "
        "callbacks may reach although they are not on the internet, and without TLS; empty: none.",
    )

    @field_validator("callback_hosts")
    @classmethod
    def _real_networks(cls, value: str) -> str:
        for word in value.split(","):
            if "/" in word:
                ip_network(word.strip())
        return value


class GatewaySettings(FleetSettings, NoticeSettings, RequestSettings):
    """Where the gateway listens, whom it lets in and how long it waits for what."""

    host: str = Field(default="127.0.0.1", description="Address the gateway listens on.")
    worker_return_s: float = Field(
        default=15.0,
        ge=0,
        le=600,
        description="Seconds that requests wait for a worker that has ended to be started anew.",
    )
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port the gateway listens on; 0: any free one."
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
    queue_order: Literal["fair", "balanced", "throughput"] = Field(
        default="balanced",
        description="Order of requests that wait for a worker: fair: first come, first served; "
        "balanced: the shortest first, but nobody waits a tenth longer than with fair, or twice as "
        "long as others do; "
        "throughput: most start soonest, the longest wait for up to 90 s more.",
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
        description="File of a JSON line for every request to a model, also a refused one; "
        "-: standard output; empty: none.",
    )
    rpm: Requests = Field(
        default=0,
        validation_alias=_either("rpm"),
        description="Requests a minute that all users together may send; 0: no limit.",
    )
    rph: Requests = Field(
        default=0,
        validation_alias=_either("rph"),
        description="Requests an hour that all users together may send; 0: no limit.",
    )
    user_rpm: Requests = Field(
        default=0,
        validation_alias=_either("user_rpm"),
        description="Requests a minute that each user may send; 0: no limit.",
    )
    user_rph: Requests = Field(
        default=0,
        validation_alias=_either("user_rph"),
        description="Requests an hour that each user may send; 0: no limit.",
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

    @field_validator("access_log")
    @classmethod
    def _file_from_anywhere(cls, value: str) -> str:
        return str(Path(value).absolute()) if value not in ("", "-") else value

    @property
    def origins(self) -> list[str]:
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]
