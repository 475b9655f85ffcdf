"""Settings of a worker: its device, and how it starts engines there."""

import socket

from pydantic import Field, field_validator

from modelyard.serving.engines.settings import EngineSettings
from modelyard.serving.settings import FleetSettings

AUTO = "auto"


class WorkerSettings(FleetSettings, EngineSettings):
    """A worker's device, listen address, and the share of the device's memory for versions."""

    worker_host: str = Field(
        default="127.0.0.1",
        description="Address the worker and its engines listen on; auto: that of this machine's, "
        "or container's, name.",
    )
    worker_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of the worker and its /metrics; 0: any free one.",
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
        "one database; auto: the machine's, or container's, name.",
    )
    device_sample_s: float = Field(
        default=10.0, ge=1, le=3600, description="Seconds between samples of a device's history."
    )
    engine_silent_s: float = Field(
        default=20.0,
        gt=0,
        le=3600,
        description="Seconds that an engine may give no answer until it is ended and started anew.",
    )
    engine_step_s: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="Seconds that one step of an engine may take until it counts as stuck.",
    )
    memory_fraction: float = Field(
        default=0.9, gt=0, le=1, description="Share of a device's memory that versions may fill."
    )

    @field_validator("worker_host")
    @classmethod
    def _own_address(cls, value: str) -> str:
        """Other containers reach this one by its address, of which only it knows which it is."""
        return socket.gethostbyname(socket.gethostname()) if value == AUTO else value

    @field_validator("node")
    @classmethod
    def _own_name(cls, value: str) -> str:
        return socket.gethostname()[:60] if value == AUTO else value
