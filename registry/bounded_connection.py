"""A PostgreSQL connection that is given up when the server is silent for too long.

A server that is stopped, or a machine that hangs, keeps its connections: the kernel still confirms
what is sent, and without a limit of our own each statement would hold its thread for ever.
"""

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

CONNECT_S = 10
"""Seconds for a new connection, its login included."""

T = TypeVar("T")
_INTERVAL_S = 0.1
"""How often a wait looks whether it was interrupted; the library's own value."""


class BoundedConnection(psycopg.Connection[Any]):
    """Closes itself and raises OperationalError once a statement takes longer than `answer_s`."""

    answer_s: float

    def wait(self, gen: PQGen[T], interval: float = _INTERVAL_S, timeout: float | None = None) -> T:
        if timeout is not None:  # a caller with a limit of its own, who goes on after it
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_s)
        except psycopg.errors._WaitTimeout:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - it has no other name
            self.pgconn.finish()
            raise psycopg.OperationalError(
                f"PostgreSQL gave no answer within {self.answer_s:g} s"
            ) from None
