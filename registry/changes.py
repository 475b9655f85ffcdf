"""Counts in Redis the commits that changed each table, for readers in other processes."""

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
"""Seconds a Redis that did not answer is left alone."""

_log = logger("modelyard.changes")


def changes_key(table: str) -> str:
    """Where the count of a table's changes is kept."""
    return f"modelyard:changes:{table}"


@dataclass(slots=True)
class Changes:
    """Announces what a database's transactions have changed, after each has been committed.

    What could not be announced is announced with the next change; until then readers may see
    what they kept, for as long as they keep anything (`modelyard.serving.shared_cache.KEEP_S`).
    """

    client: "Redis"
    _owed: set[str] = field(default_factory=set[str])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _silent_until: float = 0.0

    @classmethod
    def to(cls, url: str, *, answer_s: float = ANSWER_S) -> "Changes":
        """Announce to the Redis at `url`, which need not be there yet.

        Redis is waited for `answer_s` seconds after a commit.
        """
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        patience = {"socket_timeout": answer_s, "socket_connect_timeout": answer_s}
        return cls(Redis.from_url(url, retry=Retry(NoBackoff(), 0), **patience))

    def follow(self, db: Database) -> None:
        """From now on announce every commit of this database's writers."""
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
                pipeline.execute()
            self._owed.clear()
        except RedisError as error:
            self._silent_until = time.monotonic() + PAUSE_S
            _log.warning("changes_not_announced", tables=sorted(self._owed), reason=str(error))


def _note_flushed(session: Session, _flush: UOWTransaction) -> None:
    for row in (*session.new, *session.dirty, *session.deleted):
        _note(session, row.__tablename__)


def _note_executed(execution: ORMExecuteState) -> None:
    if execution.is_insert or execution.is_update or execution.is_delete:
        statement: Any = execution.statement
        _note(execution.session, statement.table.name)


def _note(session: Session, table: str) -> None:
    session.info.setdefault("changed", set()).add(table)
