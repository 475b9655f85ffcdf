"""Jobs in the words of the API."""

import json
from typing import Any

from modelyard.registry.jobs.job import Job
from modelyard.serving.jobs.desk import JobView
from modelyard.serving.wire.admin.requests import (
    CancelledRequest,
    RequestDetail,
    RequestReply,
    shown_status,
    told,
)


def request_reply(view: JobView) -> RequestReply:
    """The answer to a submission; what was not tried yet is pending."""
    outlook = view.outlook
    return RequestReply(
        request_id=view.job.id,
        status=shown_status(view.job),
        gpu_id=view.job.device_id,
        estimated_start_time=outlook.start_at,
        estimated_completion_time=outlook.end_at,
        queue_position=outlook.position,
    )


def request_detail(view: JobView) -> RequestDetail:
    ahead = {
        "queue_position": view.outlook.position,
        "estimated_start_time": view.outlook.start_at,
        "estimated_completion_time": view.outlook.end_at,
        "result": _result(view.result),
    }
    return RequestDetail.model_validate(told(view.job) | ahead)


def cancelled(job: Job) -> CancelledRequest:
    began = "its work was stopped" if job.attempts else "it had not begun"
    return CancelledRequest(request_id=job.id, message=f"The request is cancelled: {began}.")


def _result(body: bytes | None) -> Any:
    return None if body is None else json.loads(body)
