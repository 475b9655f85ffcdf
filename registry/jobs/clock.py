"""The one clock of a queue: the database's own, so that all hosts agree on leases."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import DateTime, text
from sqlalchemy.orm import Session

from modelyard.registry.database import utc_now

STALLED_S = 10
"""Seconds after which PostgreSQL ends a transaction whose process stands still in the middle of it.

What it had locked is free again then; else one frozen process would hold up all others.
"""

_BEGIN = text(
    f"SELECT now() AS at, set_config('idle_in_transaction_session_timeout', '{STALLED_S}s', true)"
).columns(at=DateTime(timezone=True))


@dataclass(frozen=True, slots=True)
class QueueClock:
    """Tells the time within a transaction; `now`, where it is given, replaces the database's."""

    now: Callable[[], datetime] | None = None

    def begin(self, session: Session) -> datetime:
        """Bound the transaction and tell when it began, in UTC."""
        at = utc_now()
        if session.get_bind().dialect.name == "postgresql":
            at = session.execute(_BEGIN).one().at.astimezone(UTC)
        return self.now() if self.now else at
