"""What we say where MLflow does not answer, refuses, or turns us away."""

from urllib.parse import urlsplit

from modelyard.registry.errors import MlflowUnavailable

_LONGEST = 300
_CHECK = "Check that it runs, and MODELYARD_MLFLOW_URI; then run the same again."
_ACCOUNT = (
    "Check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and that its --allowed-hosts "
    "has the name by which it is called."
)


def refusal(uri: str, error: Exception, status: int) -> MlflowUnavailable:
    """The error for a failure at `uri`, whose login it never shows; `status` is HTTP's."""
    turned_away = status in {401, 403}
    verb = "does not let us in" if turned_away else "does not answer, or refuses"
    reason = _without_login(uri, str(_first(error))).strip().partition("\n")[0]
    return MlflowUnavailable(
        f"MLflow at {_without_login(uri, uri)} {verb}: {reason[:_LONGEST].rstrip('.')}.",
        fix=_ACCOUNT if turned_away else _CHECK,
    )


def _first(error: BaseException) -> BaseException:
    """The root error: the libraries wrap it several times."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def _without_login(uri: str, text: str) -> str:
    """The text without the user name and password that the URI may contain."""
    login, at, _ = urlsplit(uri).netloc.rpartition("@")
    return text.replace(login + at, "") if at else text
