"""A job: one request that was handed in, from its submission to its one end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobStatus(StrEnum):
    """Where a job is; the last three are ends, and a job gets to exactly one of them.

    A job waits as QUEUED until a claim makes it PROCESSING. The API also says `pending`: accepted,
    and not yet seen by a dispatcher (`Job.attempts` is 0 and nothing of its model was claimed).
    """

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        return self in ENDS


ENDS = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


class JobType(StrEnum):
    """What a job asks for: work of an engine, or a Prefect deployment of that name."""

    INFERENCE = "inference"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    CLASSIFY = "classify"
    TRAINING = "training"
    FINE_TUNING = "fine-tuning"

    @property
    def is_flow(self) -> bool:
        """Whether Prefect runs it, not an engine."""
        return self in FLOWS


FLOWS = frozenset({JobType.TRAINING, JobType.FINE_TUNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job that was checked and may be written down.

    `asked_by` is who handed it in, `user_id` in whose name. `path` is the route of our OpenAI API
    that its `body` (bytes, JSON) is for; of a flow the deployment's name. `timeout_s` counts from
    submission. `output_tokens` and `prompt_tokens` are what it will take at most, for estimates and
    fairness. `digest` is the sha256 of everything that was handed in: the same id again with
    another digest is a conflict.
    """

    id: str
    user_id: str
    asked_by: str
    model: str
    type: JobType
    path: str
    body: bytes
    priority: int
    timeout_s: float
    digest: str
    prompt_tokens: int = 0
    output_tokens: int = 0
    resources: Mapping[str, Any] = field(default_factory=dict[str, Any])
    callback_url: str | None = None
    batch_id: str | None = None
    place: int = 0
    custom_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A stored job without its body and its result, which lie beside it.

    `place` is its line in a batch. `rank` orders jobs of one priority (smaller first). `fence`
    grows with each claim; `claimer` holds it until `lease_until`. `result_status` is the HTTP
    status of its result, where an engine answered; `error_code` and `error` say why it failed.
    `attempts` is how often it was begun, `lapses` how often its process was lost with it.
    """

    id: str
    user_id: str
    asked_by: str
    model: str
    type: JobType
    path: str
    priority: int
    status: JobStatus
    digest: str
    prompt_tokens: int
    output_tokens: int
    resources: Mapping[str, Any]
    submitted_at: datetime
    deadline: datetime
    eligible_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    lapses: int
    fence: int
    claimer: str | None
    lease_until: datetime | None
    is_cancel_asked: bool
    progress: float
    version: str | None
    device_id: str | None
    result_status: int | None
    error_code: str | None
    error: str | None
    callback_url: str | None
    batch_id: str | None
    place: int
    custom_id: str | None
    run_id: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A job in the hands of one process until its lease ends; what is done with it names the fence.

    A process whose fence is no longer the job's has lost it: whatever it says changes nothing.
    """

    job: Job
    body: bytes
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnd:
    """How a job ended: with a result, or with an error of a stable code.

    `version` and `device_id` say what worked on it last, where that was not told before.
    """

    status: JobStatus
    result: bytes | None = None
    result_status: int | None = None
    error_code: str | None = None
    error: str | None = None
    prompt_tokens: int = 0
    output_tokens: int = 0
    version: str | None = None
    device_id: str | None = None
