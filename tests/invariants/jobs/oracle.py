"""What everybody was told of each job, and what must hold of it."""

from collections import defaultdict
from dataclasses import dataclass, field

from modelyard.registry.jobs.job import Claim, Job, JobStatus, NewJob


class Violated(AssertionError):
    """An invariant that did not hold; `number` is that of the design's list."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"invariant {number}: {what}")
        self.number = number


@dataclass(slots=True)
class JobOracle:
    """`acknowledged` are jobs whose submitter was told so; `fences` the last claim of each job.

    `won` are the ends that a process or a user was told to have brought about.
    """

    drafts: dict[str, NewJob] = field(default_factory=dict[str, NewJob])
    acknowledged: set[str] = field(default_factory=set[str])
    fences: dict[str, int] = field(default_factory=dict[str, int])
    won: dict[str, list[JobStatus]] = field(
        default_factory=lambda: defaultdict[str, list[JobStatus]](list)
    )
    refused_stale: int = 0

    def claimed(self, claims: list[Claim], waiting: list[Job]) -> None:
        """`waiting` are the jobs that could have been claimed as well, and were not."""
        for claim in claims:
            known = self.fences.get(claim.job.id, 0)
            if claim.fence <= known:
                raise Violated(2, f"{claim.job.id} was claimed again with fence {claim.fence}")
            if self.won[claim.job.id]:
                raise Violated(1, f"{claim.job.id} was claimed after its end")
            self.fences[claim.job.id] = claim.fence
        for claim in claims:
            for other in waiting:
                if goes_first(other, claim.job):
                    raise Violated(9, f"{claim.job.id} was claimed before {other.id}")

    def finished(self, claim: Claim, status: JobStatus, *, is_taken: bool) -> None:
        """A process was told whether the end that it brought was taken."""
        is_stale = self.fences.get(claim.job.id, 0) > claim.fence
        if is_taken and is_stale:
            raise Violated(2, f"{claim.job.id} was finished by a process that had lost it")
        if is_taken:
            self.ended(claim.job.id, status)
        else:
            self.refused_stale += 1

    def ended(self, job_id: str, status: JobStatus) -> None:
        self.won[job_id].append(status)
        if len(self.won[job_id]) > 1:
            raise Violated(8, f"{job_id} ended as {self.won[job_id]}")


def goes_first(one: Job, other: Job) -> bool:
    """Whether `one` is before `other` by every rule of the order at once.

    Of the same user and model, not less urgent, waiting longer, due not later; neither was tried
    before `other` was claimed just now.
    """
    same = (one.user_id, one.model) == (other.user_id, other.model)
    return (
        same
        and one.priority >= other.priority
        and one.submitted_at < other.submitted_at
        and one.eligible_at <= other.eligible_at
        and one.deadline <= other.deadline
        and one.attempts == 0
        and other.attempts == 1
    )
