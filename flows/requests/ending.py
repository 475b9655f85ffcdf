"""How a flow run's end becomes the end of its job: its state, and what it published, bounded."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from modelyard.flows.requests.job_runs import RequestRun
from modelyard.registry.jobs.job import JobEnd, JobStatus
from modelyard.registry.runs.messages import shown

MOST_BYTES = 256 * 1024
"""The most that a result takes; artifacts beyond it are left out and counted."""

CODES = {"FAILED": "flow_failed", "CRASHED": "flow_crashed"}


def job_end(run: RequestRun, artifacts: Sequence[Mapping[str, Any]]) -> JobEnd:
    """The end of the job of a run that is over."""
    if run.state == "COMPLETED":
        result = _result(run, artifacts)
        return JobEnd(status=JobStatus.COMPLETED, result=result, result_status=200)
    if run.state == "CANCELLED":
        return JobEnd(
            status=JobStatus.CANCELLED,
            error_code="cancelled",
            error="Its flow run was cancelled in Prefect.",
        )
    said = shown(run.message)
    problem = said or "Its flow run failed; Prefect's page of the run says where."
    return JobEnd(status=JobStatus.FAILED, error_code=CODES[run.state], error=problem)


def _result(run: RequestRun, artifacts: Sequence[Mapping[str, Any]]) -> bytes:
    """The run's id, message and artifacts as JSON; the largest artifacts are the ones left out."""
    told = [
        {"key": each["key"], "type": each["type"], "data": each["data"]}
        for each in artifacts
        if each["type"] != "progress"
    ]
    left_out = 0
    while True:
        result = {
            "run_id": run.id,
            "message": shown(run.message),
            "artifacts": told,
            "artifacts_left_out": left_out,
        }
        body = json.dumps(result).encode()
        if len(body) <= MOST_BYTES:
            return body
        told.remove(max(told, key=lambda each: len(json.dumps(each))))
        left_out += 1
