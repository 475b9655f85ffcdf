"""What can go wrong with a job, each with a stable code."""

from modelyard.registry.errors import ErrorKind, ModelyardError


class UnknownJob(ModelyardError):
    """No request of that id is kept, or it is another user's."""

    code = "request_not_found"
    kind = ErrorKind.NOT_FOUND
    exit_code = 4

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"There is no request '{job_id[:40]}'.", fix="GET /api/v1/requests lists yours."
        )


class JobIdTaken(ModelyardError):
    """An id was handed in before, with something else."""

    code = "request_id_taken"
    kind = ErrorKind.CONFLICT
    exit_code = 5

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"request_id: '{job_id[:40]}' was used for another request.",
            fix="Repeat a request with exactly the same fields, or leave its id out.",
        )
        self.job_id = job_id


class JobEnded(ModelyardError):
    """A job that has ended can't be cancelled; `status` is its end."""

    code = "request_ended"
    kind = ErrorKind.CONFLICT
    exit_code = 5

    def __init__(self, job_id: str, status: str) -> None:
        super().__init__(
            f"The request '{job_id[:40]}' is {status} already.", fix="Nothing is left to cancel."
        )
        self.status = status


class QueueFull(ModelyardError):
    """No more jobs may wait; in `retry_after` seconds (a float) some may have left."""

    code = "queue_full"
    kind = ErrorKind.OVERLOADED

    def __init__(self, message: str, *, fix: str, retry_after: float = 10.0) -> None:
        super().__init__(message, fix=fix)
        self.retry_after = retry_after


class UserQueueFull(QueueFull):
    """As many jobs of one user wait as may."""

    code = "user_queue_full"
    kind = ErrorKind.RATE_LIMITED
