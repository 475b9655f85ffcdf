"""The processes that carry out orders about lifecycle runs, and whether one is there."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select

from modelyard.registry.database import Database, utc_now
from modelyard.registry.runs.tables import FlowProcessRow

ALIVE = timedelta(seconds=30)
"""A process that was silent for longer is not counted on."""

FORGOTTEN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class FlowProcesses:
    """The table of flows' processes."""

    db: Database

    def is_served(self) -> bool:
        """Whether one said lately that it carries out orders."""
        alive = select(FlowProcessRow.id).where(FlowProcessRow.heartbeat_at > utc_now() - ALIVE)
        with self.db.read() as session:
            return session.scalar(alive.limit(1)) is not None

    def beat(self, process_id: str) -> None:
        """Say that this process carries out orders; those long gone are forgotten."""
        now = utc_now()
        gone = delete(FlowProcessRow).where(FlowProcessRow.heartbeat_at < now - FORGOTTEN)
        with self.db.begin() as session:
            session.execute(gone)
            session.merge(FlowProcessRow(id=process_id, heartbeat_at=now))

    def leave(self, process_id: str) -> None:
        """Say that this process carries out no more."""
        with self.db.begin() as session:
            session.execute(delete(FlowProcessRow).where(FlowProcessRow.id == process_id))
