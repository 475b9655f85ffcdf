"""How far batches are, counted from their jobs; once a batch has ended, from its own row."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from modelyard.registry.batches.batch import JobCounts
from modelyard.registry.batches.tables import BatchRow
from modelyard.registry.jobs.job import JobStatus
from modelyard.registry.jobs.tables import JobRow

COUNTS = "counts"
CODES = "error_codes"
"""Keys of `BatchRow.about` under which both are kept once the batch has ended."""

StatusCount = tuple[JobCounts, dict[str, int]]
"""The counts, and how many failed of what."""


def counted(session: Session, rows: Sequence[BatchRow]) -> dict[str, StatusCount]:
    """The counts of each batch by its id, true at this transaction's moment."""
    ended = {row.id: _kept(row.about, row.total) for row in rows if COUNTS in row.about}
    live = [row for row in rows if row.id not in ended]
    jobs = select(JobRow.batch_id, JobRow.status, JobRow.error_code, func.count())
    jobs = jobs.where(JobRow.batch_id.in_([row.id for row in live]))
    jobs = jobs.group_by(JobRow.batch_id, JobRow.status, JobRow.error_code)
    by_status: dict[str, Counter[str]] = defaultdict(Counter)
    codes: dict[str, Counter[str]] = defaultdict(Counter)
    for batch_id, status, code, number in session.execute(jobs) if live else ():
        by_status[str(batch_id)][status] += number
        if status == JobStatus.FAILED:
            codes[str(batch_id)][code or "failed"] += number
    return ended | {
        row.id: (_counts(row.total, by_status[row.id]), dict(codes[row.id])) for row in live
    }


def kept(counts: JobCounts, codes: dict[str, int]) -> dict[str, Any]:
    """What is added to `BatchRow.about` when the batch ends: its jobs are forgotten some day."""
    numbers = {name: getattr(counts, name) for name in ("completed", "failed", "cancelled")}
    return {COUNTS: numbers, CODES: codes}


def _kept(about: dict[str, Any], total: int) -> StatusCount:
    return JobCounts(total, **about[COUNTS]), about[CODES]


def _counts(total: int, by_status: Counter[str]) -> JobCounts:
    return JobCounts(
        total,
        by_status[JobStatus.COMPLETED],
        by_status[JobStatus.FAILED],
        by_status[JobStatus.CANCELLED],
    )
