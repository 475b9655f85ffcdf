"""What can go wrong while serving, each with a stable code."""

from modelyard.registry.errors import ErrorKind, ModelyardError


class ServingError(ModelyardError):
    """Base of the serving tier's errors."""

    code = "serving_error"


class InvalidRequest(ServingError):
    """A request's field has a value that is not allowed; `param` names the field."""

    code = "invalid_value"
    kind = ErrorKind.INVALID

    def __init__(self, message: str, *, param: str | None = None, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.param = param


class UnsupportedParameter(InvalidRequest):
    """A request asks for something this platform does not do; it is refused, never ignored."""

    code = "unsupported_parameter"


class UnsupportedEndpoint(InvalidRequest):
    """The model is not of the kind that this endpoint needs."""

    code = "unsupported_endpoint"


class ContextLengthExceeded(InvalidRequest):
    """A prompt does not fit the context the model was loaded with."""

    code = "context_length_exceeded"


class UnbrokenText(InvalidRequest):
    """A text goes on for longer than a tokenizer may be given without a place to end a word."""

    code = "unbroken_text"


class TokenizingTooSlow(InvalidRequest):
    """A text takes more of the processor's time to become tokens than a request may have."""

    code = "tokenizing_too_slow"


class GrammarTooSlow(InvalidRequest):
    """A schema or tools take more of the engine's time to be kept to than an answer may have."""

    code = "grammar_too_slow"


class TakesTooMuchMemory(InvalidRequest):
    """A text makes its model ask for more memory than the engine may have."""

    code = "takes_too_much_memory"


class RequestTooLarge(InvalidRequest):
    """A body has more bytes than may be sent."""

    code = "request_too_large"
    kind = ErrorKind.TOO_LARGE


class ForeignPage(ServingError):
    """A web page asks whose origin nobody has listed."""

    code = "foreign_origin"
    kind = ErrorKind.FORBIDDEN


class EngineBusy(ServingError):
    """The engine's queue is full; the same request will do later."""

    code = "engine_busy"
    kind = ErrorKind.OVERLOADED


class EngineDraining(ServingError):
    """The engine finishes what it has and takes nothing new."""

    code = "engine_draining"
    kind = ErrorKind.OVERLOADED


class EngineFailed(ServingError):
    """The engine could not go on with a request."""

    code = "engine_failed"
    kind = ErrorKind.INTERNAL


class ModelUnloadable(ServingError):
    """A model file cannot be served by the engine of its format."""

    code = "model_unloadable"
    kind = ErrorKind.UNAVAILABLE
    exit_code = 3


class NotFound(ServingError):
    """Nothing is at this address, or nothing of this id."""

    code = "not_found"
    kind = ErrorKind.NOT_FOUND
    exit_code = 4


class MethodNotAllowed(ServingError):
    """The address is there, but not for this method."""

    code = "method_not_allowed"
    kind = ErrorKind.METHOD_NOT_ALLOWED


class Unavailable(ServingError):
    """What a request needs is not there now; `retry_after` seconds later it may be."""

    kind = ErrorKind.UNAVAILABLE
    retry_after: float = 5


class NoWorker(Unavailable):
    """No living worker can take the version."""

    code = "no_worker"


class FleetBusy(Unavailable):
    """Every worker that could take a request has more than it can do."""

    code = "fleet_busy"
    kind = ErrorKind.OVERLOADED


class EngineUnavailable(Unavailable):
    """The engine of a version ended before it answered, and so did those after it."""

    code = "engine_unavailable"


class EngineAnswerInvalid(ServingError):
    """The engine of a version answers with something that is no answer in HTTP."""

    code = "engine_answer_invalid"
    kind = ErrorKind.BAD_ANSWER


class RequestEndsEngines(ServingError):
    """An engine ended with the request in its hands, and so did one that had nothing else."""

    code = "request_ends_engines"
    kind = ErrorKind.UNPROCESSABLE


class DatabaseUnavailable(Unavailable):
    """The database does not answer, or cannot be opened."""

    code = "database_unavailable"
    exit_code = 10


class UsageUnwritable(Unavailable):
    """What requests use can be written nowhere, and memory holds as much of it as it may."""

    code = "usage_unwritable"


class WorkerUnreachable(Unavailable):
    """A worker that counts as living did not answer."""

    code = "worker_unreachable"


class WorkerRefused(Unavailable):
    """A worker could not load a version; code, message and fix are the worker's own.

    For whoever asked it is no more than unavailable, or overloaded where the worker is.
    """

    retry_after = 30

    def __init__(self, code: str, message: str, *, fix: str = "", overloaded: bool = False) -> None:
        super().__init__(message, fix=fix)
        self.code = code
        if overloaded:
            self.kind = ErrorKind.OVERLOADED


class TooManyLogins(Unavailable):
    """Too many logins have failed from one address, or wait; in `retry_s` seconds there is room."""

    code = "too_many_logins"
    kind = ErrorKind.RATE_LIMITED

    def __init__(self, message: str, *, fix: str = "", retry_s: float = 60) -> None:
        super().__init__(message, fix=fix)
        self.retry_after = retry_s


class TooManySearches(Unavailable):
    """More searches of cards wait than may."""

    code = "too_many_searches"


class PromotionFailed(ServingError):
    """The version to promote cannot be loaded anywhere; the alias stays where it was."""

    code = "promotion_failed"
    kind = ErrorKind.UNPROCESSABLE
    exit_code = 3


class Limited(Unavailable):
    """The caller has had its part for now; in `retry_after` seconds (a float) there is more."""

    def __init__(self, message: str, retry_after: float, *, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.retry_after = retry_after


class RateLimited(Limited):
    """`limit` requests have come already; in `reset_s` seconds none of them counts any more."""

    code = "rate_limit_exceeded"
    kind = ErrorKind.RATE_LIMITED

    def __init__(self, message: str, retry_after: float, limit: int, reset_s: float) -> None:
        super().__init__(message, retry_after, fix=f"Try again in {retry_after:.3g} s.")
        self.limit = limit
        self.reset_s = reset_s


class QuotaExceeded(Limited):
    """The user's quota of requests is used up."""

    code = "insufficient_quota"
    kind = ErrorKind.QUOTA_EXCEEDED


class TooBusy(Limited):
    """More requests at the same time than may be."""

    code = "too_many_concurrent_requests"
    kind = ErrorKind.RATE_LIMITED
