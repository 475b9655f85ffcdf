"""Errors for people: each has a stable code, the facts and a suggested fix."""

from enum import StrEnum, auto
from typing import ClassVar


class ErrorKind(StrEnum):
    """The kind of failure; each maps to one HTTP status and one OpenAI error type."""

    INVALID = auto()
    NOT_AUTHENTICATED = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    METHOD_NOT_ALLOWED = auto()
    CONFLICT = auto()
    TOO_LARGE = auto()
    UNPROCESSABLE = auto()
    RATE_LIMITED = auto()
    QUOTA_EXCEEDED = auto()
    OVERLOADED = auto()
    UNAVAILABLE = auto()
    BAD_ANSWER = auto()
    INTERNAL = auto()


class ModelyardError(Exception):
    """Base of every error meant for people; `code` is stable, `fix` says what to do next.

    The command line exits with `exit_code`; servers answer with the HTTP status of `kind`.
    """

    code: str = "error"
    kind: ErrorKind = ErrorKind.INTERNAL
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip()


class SettingsInvalid(ModelyardError):
    """A setting has an invalid value, or the name of a setting is unknown."""

    code = "settings_invalid"
    kind = ErrorKind.INTERNAL
    exit_code = 2


class UnknownModel(ModelyardError):
    """No model, version or alias of that name exists or is visible to the caller."""

    code = "model_not_found"
    kind = ErrorKind.NOT_FOUND
    exit_code = 4


class InvalidName(ModelyardError):
    """A name from outside has invalid characters or length."""

    code = "invalid_name"
    kind = ErrorKind.INVALID
    exit_code = 2


class AlreadyExists(ModelyardError):
    """Something with that name already exists."""

    code = "already_exists"
    kind = ErrorKind.CONFLICT
    exit_code = 5


class NotPermitted(ModelyardError):
    """The caller is known but may not do this."""

    code = "forbidden"
    kind = ErrorKind.FORBIDDEN
    exit_code = 6


class NotAuthenticated(ModelyardError):
    """No valid key, token or password came with the request."""

    code = "not_authenticated"
    kind = ErrorKind.NOT_AUTHENTICATED
    exit_code = 6


class StorageFull(ModelyardError):
    """The volume or the store has too little room for the data to write."""

    code = "storage_full"
    kind = ErrorKind.INTERNAL
    exit_code = 7


class FileCorrupt(ModelyardError):
    """A file's content does not match its name, size or hash."""

    code = "file_corrupt"
    kind = ErrorKind.INTERNAL
    exit_code = 8


class FileMissing(ModelyardError):
    """The store has no file with that hash."""

    code = "file_missing"
    kind = ErrorKind.UNAVAILABLE
    exit_code = 4


class UnknownUser(ModelyardError):
    """No user or key with that name exists."""

    code = "user_not_found"
    kind = ErrorKind.NOT_FOUND
    exit_code = 4


class LastAdmin(ModelyardError):
    """A change would leave an installation without an admin who may come in."""

    code = "last_admin"
    kind = ErrorKind.CONFLICT
    exit_code = 5


class UnknownRun(ModelyardError):
    """No lifecycle run has an id that begins so, or more than one has."""

    code = "run_not_found"
    kind = ErrorKind.NOT_FOUND
    exit_code = 4


class RunEnded(ModelyardError):
    """A run is not in a state in which it could be cancelled or repeated."""

    code = "run_ended"
    kind = ErrorKind.CONFLICT
    exit_code = 5


class FlowsAway(ModelyardError):
    """No process is there that starts, cancels and repeats lifecycle runs."""

    code = "flows_unavailable"
    kind = ErrorKind.UNAVAILABLE
    exit_code = 10
    retry_after: ClassVar[float] = 10


class UnknownDeployment(ModelyardError):
    """No Prefect deployment of that name is there to be started by a request."""

    code = "deployment_not_found"
    kind = ErrorKind.INVALID
    exit_code = 2


class ParametersUnfit(ModelyardError):
    """A deployment does not take a parameter, or one that it needs is missing."""

    code = "invalid_parameters"
    kind = ErrorKind.INVALID
    exit_code = 2


class OrderRefused(ModelyardError):
    """What was ordered of the flows' process could not be done, or its run failed."""

    code = "order_refused"
    kind = ErrorKind.CONFLICT


class UnknownOrder(ModelyardError):
    """No order of that id is kept."""

    code = "order_not_found"
    kind = ErrorKind.NOT_FOUND
    exit_code = 4


class UnknownCallback(ModelyardError):
    """No callback, signing secret or address of that id is kept, or it is another user's."""

    code = "callback_not_found"
    kind = ErrorKind.NOT_FOUND
    exit_code = 4


class AddressOff(ModelyardError):
    """An address takes no callbacks since it said so, or has failed for days."""

    code = "callback_address_off"
    kind = ErrorKind.CONFLICT
    exit_code = 5


class TooManySecrets(ModelyardError):
    """A user has as many signing secrets as may hold at the same time."""

    code = "too_many_secrets"
    kind = ErrorKind.CONFLICT
    exit_code = 5


class SecretUnreadable(ModelyardError):
    """A signing secret was sealed by another installation's key."""

    code = "secret_unreadable"
    kind = ErrorKind.INTERNAL
    exit_code = 8


class InvalidPassword(ModelyardError):
    """A new password is too short or too long."""

    code = "invalid_password"
    kind = ErrorKind.INVALID
    exit_code = 2


class IndexUnavailable(ModelyardError):
    """The index of model cards does not answer."""

    code = "index_unavailable"
    kind = ErrorKind.UNAVAILABLE
    exit_code = 9


class MlflowUnavailable(ModelyardError):
    """MLflow does not answer, rejects the credentials or refuses the request."""

    code = "mlflow_unavailable"
    kind = ErrorKind.UNAVAILABLE
    exit_code = 10


class DatabaseNewer(ModelyardError):
    """The database was written by a newer version of Modelyard."""

    code = "database_newer"
    kind = ErrorKind.INTERNAL
    exit_code = 9


class StillInUse(ModelyardError):
    """The object to remove is in use."""

    code = "in_use"
    kind = ErrorKind.CONFLICT
    exit_code = 5


class PromotionSuperseded(ModelyardError):
    """Another promotion of the same alias replaced this one, or the version was removed."""

    code = "promotion_superseded"
    kind = ErrorKind.CONFLICT
    exit_code = 5


class PortInUse(ModelyardError):
    """Cannot listen on an address: the port is taken or needs permission."""

    code = "port_in_use"
    kind = ErrorKind.INTERNAL
    exit_code = 9


class LocalOnly(ModelyardError):
    """A command works on an installation's own files, and a gateway elsewhere is set."""

    code = "local_only"
    kind = ErrorKind.INTERNAL
    exit_code = 2


class NotInstalled(ModelyardError):
    """A command or a gateway needs an extra that is not installed."""

    code = "not_installed"
    kind = ErrorKind.UNAVAILABLE
    exit_code = 11


def how_to_install(*extras: str) -> str:
    """What brings missing extras; the package is in no index, only in checkouts and wheels."""
    wanted = ",".join(extras)
    return (
        f"In the checkout, `make setup` brings everything; with a wheel of ours, "
        f"pip install './modelyard-….whl[{wanted}]' adds this."
    )
