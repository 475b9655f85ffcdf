"""What came of a job's request: its end, or that it has to wait for another try."""

from dataclasses import dataclass

import msgspec

from modelyard.registry.errors import ErrorKind, ModelyardError
from modelyard.registry.jobs.job import JobEnd, JobStatus
from modelyard.serving.errors import EngineUnavailable, Unavailable
from modelyard.serving.jobs.running.job_answer import JobAnswer
from modelyard.serving.wire.errors import ErrorDetail, ErrorReply, error_bytes, status_of

BUSY = 503
"""An engine that is full, or stops, answers so: the same request will do later."""

BROKEN = (500, 502)
SERVER_ERROR = "server_error"
"""The type of errors that are the server's own."""

AGAIN_S = 1.0
"""Seconds until the next try of a request that an engine could not finish."""

MOST_ERROR = 2000
MOST_CODE = 50

_LATER = (ErrorKind.UNAVAILABLE, ErrorKind.OVERLOADED, ErrorKind.RATE_LIMITED)
_TRIED = (ErrorKind.BAD_ANSWER, ErrorKind.INTERNAL)

_read_error = msgspec.json.Decoder(ErrorReply).decode


@dataclass(frozen=True, slots=True)
class Later:
    """The job goes back into the queue for `wait_s` seconds.

    `is_attempt`: an engine had it in hand, and after the most attempts it is not tried again.
    """

    why: str
    wait_s: float = AGAIN_S
    is_attempt: bool = False


Outcome = JobEnd | Later

TIMED_OUT = JobEnd(
    status=JobStatus.FAILED,
    error_code="timeout",
    error="It was not done within its timeout, which counts from its submission.",
)


def of_answer(answer: JobAnswer) -> Outcome:
    """What an engine's answer means for its job."""
    if answer.status == BUSY:
        return Later("The engine was busy, or about to stop.")
    if answer.is_broken:
        return Later("The engine ended in the middle of the answer.", is_attempt=True)
    if answer.written.error is not None:
        return _of_event(answer.written.error)
    if answer.status in BROKEN:
        return Later(_detail(answer.body).message, is_attempt=True)
    if answer.status // 100 != 2:
        return _of_detail(_detail(answer.body), answer.status, answer.body)
    counts = answer.counts
    return JobEnd(
        status=JobStatus.COMPLETED,
        result=answer.body,
        result_status=answer.status,
        prompt_tokens=counts.prompt_tokens,
        output_tokens=counts.completion_tokens,
    )


def _of_event(error: ErrorDetail) -> Outcome:
    """What an error in the middle of a stream means: another engine may do what one could not."""
    if error.type == SERVER_ERROR:
        return Later(error.message, is_attempt=True)
    return _of_detail(error, status=400)


def of_error(error: ModelyardError) -> Outcome:
    """What an error of the gateway's means for the job that met it."""
    if isinstance(error, Unavailable) and error.kind in _LATER:
        is_attempt = isinstance(error, EngineUnavailable)
        return Later(str(error), float(error.retry_after), is_attempt=is_attempt)
    if error.kind in _LATER:
        return Later(str(error))
    if error.kind in _TRIED:
        return Later(str(error), is_attempt=True)
    return failed(error)


def failed(error: ModelyardError) -> JobEnd:
    """The end of a job by an error that no other try would change."""
    return JobEnd(
        status=JobStatus.FAILED,
        result=error_bytes(error),
        result_status=status_of(error),
        error_code=error.code[:MOST_CODE],
        error=str(error).replace("\0", "")[:MOST_ERROR],
    )


def _of_detail(detail: ErrorDetail, status: int, body: bytes = b"") -> JobEnd:
    return JobEnd(
        status=JobStatus.FAILED,
        result=body or msgspec.json.encode(ErrorReply(detail)),
        result_status=status,
        error_code=(detail.code or detail.type)[:MOST_CODE],
        error=detail.message.replace("\0", "")[:MOST_ERROR],
    )


def _detail(body: bytes) -> ErrorDetail:
    try:
        return _read_error(body).error
    except msgspec.MsgspecError:
        return ErrorDetail("The engine refused it without saying why.", SERVER_ERROR)
