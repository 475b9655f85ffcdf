"""Tells other processes that jobs wait or were cancelled; what is lost costs them one poll."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from modelyard.registry.changes import changes_channel, note
from modelyard.registry.logs import logger

PAUSE_S = 1.0
"""Seconds between attempts to reach a server that does not answer."""

CHANNEL = "modelyard_jobs"
"""PostgreSQL's channel; its payloads are signals."""

_log = logger("modelyard.jobs")


class JobSignal(StrEnum):
    """What happened to some job; the values are names of channels too."""

    WAITING = "jobs_waiting"
    CANCELLED = "jobs_cancelled"


def announce(session: Session, signal: JobSignal = JobSignal.WAITING) -> None:
    """Have it told once the transaction is committed: by Redis where there is one, and by NOTIFY.

    PostgreSQL tells each signal once for each transaction.
    """
    note(session, signal)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SELECT pg_notify('{CHANNEL}', :signal)"), {"signal": signal})


@dataclass(slots=True)
class JobWakeUp:
    """Calls `heard` at each signal; `is_heard` while a server can be relied on for it.

    Redis where `redis_url` is set, else a PostgreSQL at `database_url`; with SQLite alone it ends
    at once. While `is_heard` is false, poll often.
    """

    database_url: str
    redis_url: str = ""
    is_heard: bool = False

    async def listen(self, heard: Callable[[JobSignal], None]) -> None:
        """Listen for ever, whatever happens to the server."""
        if self.redis_url:
            await self._hear_redis(heard)
        elif self.database_url.startswith("postgresql"):
            await self._hear_postgres(heard)

    async def _hear_redis(self, heard: Callable[[JobSignal], None]) -> None:
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        signals = {changes_channel(signal): signal for signal in JobSignal}
        async with Redis.from_url(self.redis_url, socket_connect_timeout=PAUSE_S) as client:
            while True:
                try:
                    async with client.pubsub() as announced:
                        await announced.subscribe(*signals)
                        async for message in announced.listen():  # the first confirm the channels
                            self.is_heard = True
                            heard(signals[message["channel"].decode()])
                except (RedisError, OSError) as error:
                    self._lost("redis", error)
                await asyncio.sleep(PAUSE_S)

    async def _hear_postgres(self, heard: Callable[[JobSignal], None]) -> None:
        from psycopg import AsyncConnection, Error

        from modelyard.registry.bounded_connection import CONNECT_S

        while True:
            try:
                async with await AsyncConnection.connect(
                    _plain(self.database_url), autocommit=True, connect_timeout=CONNECT_S
                ) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self.is_heard = True
                    for signal in JobSignal:  # what was told before is not repeated
                        heard(signal)
                    async for notify in connection.notifies():
                        heard(JobSignal(notify.payload))
            except (Error, OSError) as error:
                self._lost("postgresql", error)
            await asyncio.sleep(PAUSE_S)

    def _lost(self, server: str, error: Exception) -> None:
        if self.is_heard:
            _log.warning("job_signals_lost", server=server, reason=str(error))
        self.is_heard = False


def _plain(url: str) -> str:
    """The URL as PostgreSQL's own library takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
