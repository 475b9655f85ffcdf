"""Tells Redis of the commits that changed each table, so other processes can detect changes."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from modelyard.registry.database import Database
from modelyard.registry.logs import logger

if TYPE_CHECKING:
    from redis import Redis

ANSWER_S = 0.2
PAUSE_S = 1.0
"""Seconds without attempts after Redis failed to answer."""

_log = logger("modelyard.changes")


def changes_key(table: str) -> str:
    """The Redis key of a table's change count."""
    return f"modelyard:changes:{table}"


def changes_channel(table: str) -> str:
    """The Redis channel that is told of each change of a table in HEARD."""
    return f"modelyard:changed:{table}"


HEARD = frozenset({"notices", "jobs_waiting", "jobs_cancelled"})
"""Tables and signals that somebody waits for; all others are looked at when they are needed."""


@dataclass(slots=True)
class Changes:
    """Announces to Redis which tables each committed transaction of a database changed.

    A failed announcement is repeated with the next change. Until then readers may see stale cached
    rows, for at most their cache lifetime (`modelyard.serving.shared_cache.KEEP_S`).
    """

    client: "Redis"
    _owed: set[str] = field(default_factory=set[str])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _silent_until: float = 0.0

    @classmethod
    def to(cls, url: str, *, answer_s: float = ANSWER_S) -> "Changes":
        """Announce to the Redis at `url`, which may not be up yet.

        Each announcement waits at most `answer_s` seconds for Redis after a commit.
        """
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        patience = {"socket_timeout": answer_s, "socket_connect_timeout": answer_s}
        return cls(Redis.from_url(url, retry=Retry(NoBackoff(), 0), **patience))

    def follow(self, db: Database) -> None:
        """Start announcing every commit of this database's writers."""
        event.listen(db.writers, "after_flush", _note_flushed)
        event.listen(db.writers, "do_orm_execute", _note_executed)
        event.listen(db.writers, "after_commit", self._committed)

    def announce(self, tables: Iterable[str]) -> None:
        with self._lock:
            self._owed.update(tables)
            if self._owed and time.monotonic() >= self._silent_until:
                self._send()

    def _committed(self, session: Session) -> None:
        if not session.in_nested_transaction():
            self.announce(session.info.pop("changed", ()))

    def _send(self) -> None:
        from redis.exceptions import RedisError

        try:
            with self.client.pipeline(transaction=False) as pipeline:
                for table in self._owed:
                    pipeline.incr(changes_key(table))
                    if table in HEARD:
                        pipeline.publish(changes_channel(table), "")
                pipeline.execute()
            self._owed.clear()
        except RedisError as error:
            self._silent_until = time.monotonic() + PAUSE_S
            _log.warning("changes_not_announced", tables=sorted(self._owed), reason=str(error))


def _note_flushed(session: Session, _flush: UOWTransaction) -> None:
    for row in (*session.new, *session.dirty, *session.deleted):
        note(session, row.__tablename__)


def _note_executed(execution: ORMExecuteState) -> None:
    if execution.is_insert or execution.is_update or execution.is_delete:
        statement: Any = execution.statement
        note(execution.session, statement.table.name)


def note(session: Session, table: str) -> None:
    """Have a table or a signal announced with this transaction's commit."""
    session.info.setdefault("changed", set()).add(table)
