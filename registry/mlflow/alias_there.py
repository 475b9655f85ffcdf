"""Reads the aliases in MLflow's own database, without MLflow's library.

Processes that look every half minute would otherwise load the library, with Pandas and PyArrow
some 150 MiB, and keep it. The table is that of the MLflow release we depend on.
"""

from pathlib import Path

from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    NullPool,
    String,
    Table,
    create_engine,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from modelyard.registry.mlflow.refusal import refusal

_WORKSPACE = "default"
"""MLflow's name for where everything is unless a server divides it."""

_ALIASES = Table(
    "registered_model_aliases",
    MetaData(),
    Column("workspace", String),
    Column("name", String),
    Column("alias", String),
    Column("version", Integer),
)


def is_database(uri: str) -> bool:
    """Whether MLflow is used as a library on a database of that URI, not as a server."""
    return uri.startswith(("sqlite", "postgresql"))


def aliases_in(uri: str) -> dict[str, dict[str, str]]:
    """The aliases of every model there, by its MLflow name: alias to version number.

    Empty where MLflow has not made its tables yet; raises MlflowUnavailable.
    """
    url = make_url(uri)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return {}  # connecting would make the file, and MLflow would take it for its own
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    found: dict[str, dict[str, str]] = {}
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(_ALIASES.name):
                return {}
            mine = select(_ALIASES).where(_ALIASES.c.workspace == _WORKSPACE)
            for _, name, alias, version in connection.execute(mine):
                found.setdefault(name, {})[alias] = str(version)
    except SQLAlchemyError as error:
        raise refusal(uri, error, 503) from None
    return found
