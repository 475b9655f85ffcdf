"""An MLflow client that gives up after seconds, not minutes, and raises our own errors."""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.mlflow.lock import alone_at
from modelyard.registry.mlflow.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Generator

    from mlflow.tracking import MlflowClient

_OURS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # standard output belongs to the command
    # Callers can repeat a request safely. MLflow's own seven retries take minutes, and each may
    # write again what a request with a lost answer had already written.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


@contextmanager
def mlflow_client(uri: str) -> "Generator[MlflowClient]":
    """A client at a tracking URI; failures inside the block raise MlflowUnavailable."""
    for name, value in _OURS.items():
        os.environ.setdefault(name, value)
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        with alone_at(uri):  # its first use creates the tables: one process at a time
            _create_at(uri)
            yield MlflowClient(uri, registry_uri=uri)
    except MlflowException as error:
        raise refusal(uri, error, error.get_http_status_code()) from None
    except SQLAlchemyError as error:
        raise refusal(uri, error, 503) from None


def _create_at(uri: str) -> None:
    """Make the tables of a new SQLite database, with artifacts beside it.

    MLflow itself would note the working directory of whoever comes first as their place, for good.
    """
    file = Path(make_url(uri).database or "") if uri.startswith("sqlite") else None
    if file is not None and not file.exists():
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        file.parent.mkdir(parents=True, exist_ok=True)
        SqlAlchemyStore(uri, str(file.with_name("mlflow-artifacts")))
