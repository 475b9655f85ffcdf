"""MLflow's user and database are made, found, and kept apart from Modelyard's."""

from collections.abc import Generator

import psycopg
import pytest

from modelyard.deployments import mlflow_database
from tests.servers.postgres import Postgres


@pytest.fixture
def connection(postgres: Postgres) -> Generator[psycopg.Connection]:
    """A superuser's, in a database that is not MLflow's."""
    postgres.create("beside")
    login = f"host=127.0.0.1 port={postgres.port} user=modelyard dbname=beside"
    with psycopg.connect(login, autocommit=True) as connection:
        yield connection
        connection.execute("DROP DATABASE IF EXISTS mlflow")
        connection.execute("DROP ROLE IF EXISTS mlflow")
    postgres.drop("beside")


def test_it_may_run_any_number_of_times(connection: psycopg.Connection) -> None:
    """What MLflow wrote is kept, and the last password counts; no statement has it in clear."""
    mlflow_database.ensure(connection, "first@/#:")
    with psycopg.connect(_as_mlflow(connection), autocommit=True) as mlflow:
        mlflow.execute("CREATE TABLE kept (n int)")
    (first,) = _stored_password(connection)
    mlflow_database.ensure(connection, "second'$")
    (second,) = _stored_password(connection)
    assert first != second
    assert second.startswith("SCRAM-SHA-256$")
    with psycopg.connect(_as_mlflow(connection), autocommit=True) as mlflow:
        assert mlflow.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_each_user_enters_its_own_database_alone(connection: psycopg.Connection) -> None:
    """MLflow's user cannot connect to Modelyard's database, nor another to MLflow's."""
    mlflow_database.ensure(connection, "x")
    may = "SELECT has_database_privilege(%s, %s, 'CONNECT')"
    for user, database, expected in (
        ("mlflow", "mlflow", True),
        ("mlflow", "beside", False),
        ("pg_monitor", "mlflow", False),
    ):
        assert connection.execute(may, (user, database)).fetchone() == (expected,), (user, database)


def _as_mlflow(connection: psycopg.Connection) -> str:
    return f"host=127.0.0.1 port={connection.info.port} user=mlflow dbname=mlflow"


def _stored_password(connection: psycopg.Connection) -> tuple[str]:
    held = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'mlflow'")
    row = held.fetchone()
    assert row is not None
    return row
