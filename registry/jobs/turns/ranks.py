"""Start-time fair queueing: a rank is a count of tokens, and the job with the smallest is next."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from modelyard.registry.jobs.job import NewJob
from modelyard.registry.jobs.tables import IS_WAITING, JobRow


@dataclass(frozen=True, slots=True)
class Ranks:
    """The ranks of new jobs, within one transaction.

    Each job ranks behind its user's one before by what that one takes, and never before the job
    that is next: who hands in many waits for their own, and nobody gains by having waited for none.
    """

    session: Session
    now: datetime
    _next: dict[tuple[str, str, int], float] = field(
        default_factory=dict[tuple[str, str, int], float]
    )

    def next(self, job: NewJob) -> float:
        """The rank of the user's next job of this model and priority."""
        key = (job.user_id, job.model, job.priority)
        if key not in self._next:
            self._next[key] = max(self._of_first(job), self._behind_own(job))
        rank = self._next[key]
        self._next[key] = rank + max(1, job.prompt_tokens + job.output_tokens)
        return rank

    def _of_first(self, job: NewJob) -> float:
        """The time counts as a token a second, so that ranks grow also where nothing waits."""
        alike = (JobRow.model == job.model, JobRow.priority == job.priority)
        first = self.session.scalar(select(func.min(JobRow.rank)).where(IS_WAITING, *alike))
        return max(first or 0.0, self.now.timestamp())

    def _behind_own(self, job: NewJob) -> float:
        alike = (JobRow.model == job.model, JobRow.priority == job.priority)
        takes = (JobRow.prompt_tokens + JobRow.output_tokens).label("takes")
        own = select(JobRow.rank, takes).where(IS_WAITING, JobRow.user_id == job.user_id, *alike)
        last = self.session.execute(own.order_by(JobRow.rank.desc()).limit(1)).first()
        return last.rank + max(1, last.takes) if last else 0.0
