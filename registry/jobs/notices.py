"""What is told of a job: notices to listeners, and a callback when it has ended."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from modelyard.registry.callbacks import outbox
from modelyard.registry.catalog.model import Visibility
from modelyard.registry.jobs.job import Job
from modelyard.registry.notices.notice import NoticeDraft, Topic
from modelyard.registry.notices.publishing import publish

QUEUED = "request.queued"
STARTED = "request.started"
PROGRESS = "request.progress"
ENDED = "request.ended"


def tell(session: Session, kind: str, jobs: Sequence[Job]) -> None:
    """Publish one notice of each job; of a batch's lines its own notices tell."""
    publish(session, [job_notice(kind, job) for job in jobs if job.batch_id is None])


def job_notice(kind: str, job: Job) -> NoticeDraft:
    """What its user and admins may know, without what was handed in and what came out."""
    data: dict[str, Any] = {
        "request_id": job.id,
        "user_id": job.user_id,
        "model_id": job.model,
        "type": job.type,
        "status": job.status,
        "priority": job.priority,
        "gpu_id": job.device_id,
        "progress": job.progress,
        "attempts": job.attempts,
        "error": _error(job),
    }
    return NoticeDraft(Topic.REQUESTS, kind, data, Visibility.PRIVATE, job.user_id)


def call_back(session: Session, job: Job, result: bytes | None) -> None:
    """Enter the callback of a job that has ended, where it wants one."""
    if job.callback_url is None:
        return
    answer: dict[str, Any] = {
        "request_id": job.id,
        "user_id": job.user_id,
        "model_id": job.model,
        "status": job.status,
        "gpu_id": job.device_id,
        "submission_time": job.submitted_at,
        "start_time": job.started_at,
        "completion_time": job.ended_at,
        "queue_position": 0,
        "progress": job.progress,
        "result": msgspec.Raw(result) if result else None,
        "error": _error(job),
    }
    outbox.enter(
        session,
        user_id=job.asked_by,
        subject=job.id,
        kind=f"request.{job.status}",
        url=job.callback_url,
        body=answer,
    )


def _error(job: Job) -> dict[str, str | None] | None:
    return {"code": job.error_code, "message": job.error} if job.error_code else None
