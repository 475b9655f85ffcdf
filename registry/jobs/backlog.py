"""How much waits: for overviews and estimates, and against the limits of the queue."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, literal, or_, select
from sqlalchemy.orm import Session

from modelyard.registry.jobs.errors import QueueFull, UserQueueFull
from modelyard.registry.jobs.job import NewJob
from modelyard.registry.jobs.limits import QueueLimits
from modelyard.registry.jobs.tables import IS_OPEN, IS_WAITING, JobRow

COUNTED_FOR_S = 2.0
"""Seconds for which a count serves; what other processes add meanwhile may exceed a limit."""

MOST_USERS = 10_000
"""Users whose counts are remembered."""


@dataclass(frozen=True, slots=True)
class QueueBacklog:
    """What waits of one model and priority; tokens are the most that the jobs may take."""

    model: str
    priority: int
    waiting: int
    oldest_at: datetime
    prompt_tokens: int
    output_tokens: int


def backlog(session: Session) -> list[QueueBacklog]:
    wanted = (
        select(
            JobRow.model,
            JobRow.priority,
            func.count(),
            func.min(JobRow.submitted_at),
            func.sum(JobRow.prompt_tokens),
            func.sum(JobRow.output_tokens),
        )
        .where(IS_WAITING)
        .group_by(JobRow.model, JobRow.priority)
        .order_by(JobRow.priority.desc(), JobRow.model)
    )
    return [
        QueueBacklog(model, priority, waiting, oldest, int(prompt), int(output))
        for model, priority, waiting, oldest, prompt, output in session.execute(wanted)
    ]


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """What has not ended of one model and priority: how many wait, since when, and how many run."""

    model: str
    priority: int
    waiting: int
    processing: int
    oldest_at: datetime | None


def open_jobs(session: Session, user_id: str | None) -> list[OpenJobs]:
    """The most urgent first: of everybody, or what is a user's or was handed in by it."""
    whose = [] if user_id is None else [or_(JobRow.user_id == user_id, JobRow.asked_by == user_id)]
    waits = case((IS_WAITING, 1), else_=0)
    since = case((IS_WAITING, JobRow.submitted_at))
    wanted = (
        select(JobRow.model, JobRow.priority, func.count(), func.sum(waits), func.min(since))
        .where(IS_OPEN, *whose)
        .group_by(JobRow.model, JobRow.priority)
        .order_by(JobRow.priority.desc(), JobRow.model)
    )
    return [
        OpenJobs(model, priority, int(waiting), count - int(waiting), oldest)
        for model, priority, count, waiting, oldest in session.execute(wanted)
    ]


@dataclass(slots=True)
class WaitingCounts:
    """How many jobs wait, in all and of each user; near a limit it is counted anew each time."""

    _of: dict[str | None, tuple[int, float]] = field(
        default_factory=dict[str | None, tuple[int, float]]
    )

    def check(self, session: Session, jobs: Sequence[NewJob], limits: QueueLimits) -> None:
        """Raises QueueFull, or UserQueueFull, unless all of these may wait too."""
        waiting = self._before(session, None, len(jobs), limits.queued)
        if waiting + len(jobs) > limits.queued:
            raise QueueFull(
                f"{waiting} requests wait, and {limits.queued} may; {len(jobs)} more were "
                "handed in.",
                fix="Try again later, or raise MODELYARD_QUEUED_REQUESTS.",
            )
        for user_id, more in Counter(job.user_id for job in jobs).items():
            own = self._before(session, user_id, more, limits.queued_of_user)
            if own + more > limits.queued_of_user:
                raise UserQueueFull(
                    f"{own} requests of '{user_id}' wait, and {limits.queued_of_user} may; {more} "
                    "more were handed in.",
                    fix="Wait until some have ended, or raise MODELYARD_USER_QUEUED_REQUESTS.",
                )

    def _before(self, session: Session, user_id: str | None, more: int, most: int) -> int:
        """How many wait without these, exactly wherever that decides."""
        waiting, counted_at = self._of.get(user_id, (0, -math.inf))
        is_old = time.monotonic() - counted_at > COUNTED_FOR_S
        if is_old or waiting + more > most:
            own = [] if user_id is None else [JobRow.user_id == user_id]
            waiting = _count(session, most, own)
            counted_at = time.monotonic()
        if len(self._of) > MOST_USERS:
            self._of.clear()
        self._of[user_id] = (waiting + more, counted_at)
        return waiting


def _count(session: Session, most: int, own: Sequence[Any]) -> int:
    some = select(literal(1)).select_from(JobRow).where(IS_WAITING, *own).limit(most)
    return session.scalar(select(func.count()).select_from(some.subquery())) or 0
