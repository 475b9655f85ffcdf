"""Jobs as the tests of the queue hand them in, and a clock that they move."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from modelyard.registry.database import new_id
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.job import JobEnd, JobStatus, JobType, NewJob

DONE = JobEnd(status=JobStatus.COMPLETED, result=b'{"id":"r"}', result_status=200, output_tokens=3)
FAILED = JobEnd(status=JobStatus.FAILED, error_code="model_error", error="It broke.")
BOOT = "gateway/5d3c"


def new_job(**about: Any) -> NewJob:
    """A job of ada's with an id of its own, unless it is said otherwise."""
    usual: dict[str, Any] = {
        "id": new_id(),
        "user_id": "ada",
        "asked_by": "ada",
        "model": "m",
        "type": JobType.INFERENCE,
        "path": "/v1/chat/completions",
        "body": b'{"messages":[]}',
        "priority": 3,
        "timeout_s": 3600.0,
        "digest": "d",
        "output_tokens": 100,
    }
    return NewJob(**usual | about)


def wants(most: int, *models: str, **about: Any) -> ClaimRequest:
    return ClaimRequest(models=dict.fromkeys(models or ("m",), most), **about)


@dataclass(slots=True)
class Watch:
    """A clock that stands still until it is moved."""

    at: datetime = datetime(2026, 11, 29, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
