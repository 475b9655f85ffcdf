"""Merges a device's old samples into minutes, and old minutes into hours."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, tuple_
from sqlalchemy.orm import Session

from modelyard.registry import marks
from modelyard.registry.database import Database
from modelyard.registry.fleet.device_history import (
    HOUR_S,
    MINUTE_S,
    MINUTES_FOR,
    RAW_FOR,
    means,
    sample_of,
)
from modelyard.registry.fleet.tables import GpuSampleRow

DONE_TO = "device_history"
"""The mark of the hour (Unix time in hours) in which the history was rolled up last."""


@dataclass(frozen=True, slots=True)
class HistoryRollup:
    """Every process may try, as often as it likes: one does it, once an hour.

    The mark is moved in the transaction that does the work, so others wait for its end and then
    find nothing to do; a process that is killed leaves both as they were.
    """

    db: Database

    def run(self, now: datetime) -> int:
        """Roll up what is due; returns by how many rows the table shrank."""
        with self.db.begin() as session:
            if not marks.raise_to(session, DONE_TO, int(now.timestamp()) // HOUR_S):
                return 0
            return sum(
                _merge(session, step_s, _cut(now - age, step_s))
                for step_s, age in ((MINUTE_S, RAW_FOR), (HOUR_S, MINUTES_FOR))
            )


def _cut(time: datetime, step_s: int) -> int:
    """The Unix time in seconds at which the step of this time begins."""
    return int(time.timestamp()) // step_s * step_s


def _merge(session: Session, step_s: int, before: int) -> int:
    """Merge what is finer than `step_s` s and older than `before` into steps.

    A sample that comes late is merged with its step as it is already, by the times they are about.
    """
    fine = and_(GpuSampleRow.at < before, GpuSampleRow.seconds < step_s)
    finest = func.min(GpuSampleRow.seconds) < step_s
    inside = and_(GpuSampleRow.at < before, GpuSampleRow.seconds <= step_s)
    found = session.execute(means(step_s, inside).having(finest)).mappings()
    merged = [asdict(sample_of(dict(row))) for row in found]
    removed = _removed(session, fine)
    for first in range(0, len(merged), 400):  # SQLite bounds the values of a statement
        part = merged[first : first + 400]
        keys = [(one["device_id"], one["at"]) for one in part]
        removed += _removed(session, tuple_(GpuSampleRow.device_id, GpuSampleRow.at).in_(keys))
        session.execute(insert(GpuSampleRow), part)
    return removed - len(merged)


def _removed(session: Session, where: ColumnElement[bool]) -> int:
    done: Any = session.execute(delete(GpuSampleRow).where(where))
    return int(done.rowcount)
