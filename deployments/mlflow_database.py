"""Makes MLflow's user and database in the PostgreSQL of docker compose, any number of times.

`python -m modelyard.deployments.mlflow_database`, where PGHOST, PGUSER and PGPASSWORD are a
superuser's and MLFLOW_DATABASE_PASSWORD is what the user `mlflow` shall have. A password that was
changed in .env is the user's from then on.
"""

import os
import sys
from typing import LiteralString

import psycopg
from psycopg import sql

USER = "mlflow"
"""The name of both, the user and its database."""

_PATIENCE_S = 30
_CREATE_USER: LiteralString = "CREATE ROLE {name} LOGIN PASSWORD {password}"
_ALTER_USER: LiteralString = "ALTER ROLE {name} LOGIN PASSWORD {password}"


def main() -> None:
    try:
        with psycopg.connect(autocommit=True, connect_timeout=_PATIENCE_S) as connection:
            ensure(connection, os.environ["MLFLOW_DATABASE_PASSWORD"])
    except psycopg.Error as error:
        sys.exit(f"MLflow's database cannot be made: {error}")


def ensure(connection: psycopg.Connection, password: str) -> None:
    """The user with this password, and its database, which no other user may enter."""
    _ensure_user(connection, password)
    name = sql.Identifier(USER)
    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (USER,)).fetchone()
    if known is None:
        connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(name))
    # By default every user may enter every database.
    for database in (USER, connection.info.dbname):
        closed = sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database))
        connection.execute(closed)


def _ensure_user(connection: psycopg.Connection, password: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (USER,)).fetchone()
    # Encrypted here, so that no log of the server's statements has it.
    encrypted = connection.pgconn.encrypt_password(
        password.encode(), USER.encode(), b"scram-sha-256"
    )
    statement = sql.SQL(_CREATE_USER if known is None else _ALTER_USER)
    connection.execute(
        statement.format(name=sql.Identifier(USER), password=sql.Literal(encrypted.decode()))
    )


if __name__ == "__main__":
    main()
