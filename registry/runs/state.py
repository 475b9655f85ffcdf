"""The states of a lifecycle run."""

from enum import StrEnum


class RunState(StrEnum):
    """The state of a lifecycle run; INTERRUPTED means RUNNING without recent heartbeats."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
