"""The jobs that this process has in hand, each with the task that works on it."""

import asyncio
from collections.abc import Collection, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from modelyard.serving.jobs.running.job_run import JobTry


@dataclass(slots=True)
class JobsInHand:
    """Runs by their job's id, from the claim until the queue knows their outcome."""

    _tasks: dict[str, tuple[JobTry, asyncio.Task[None]]] = field(
        default_factory=dict[str, "tuple[JobTry, asyncio.Task[None]]"]
    )

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[JobTry]:
        return (run for run, _ in [*self._tasks.values()])

    def begin(self, run: JobTry, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start the work on a run; it is in hand until the work ends."""
        job_id = run.claim.job.id
        task = asyncio.create_task(work)
        self._tasks[job_id] = (run, task)
        task.add_done_callback(lambda done: self._done(job_id, done))
        return task

    def of(self, version_id: str) -> list[JobTry]:
        return [run for run in self if run.version_id == version_id]

    def stop(self, runs: Collection[JobTry]) -> list[asyncio.Task[None]]:
        """End the work on these runs, and with it their engines' work; gives the ending tasks."""
        tasks = [task for run, task in [*self._tasks.values()] if run in runs]
        for task in tasks:
            task.cancel()
        return tasks

    def lost(self, job_ids: Collection[str]) -> int:
        """These are cancelled or another's: nothing is said of them any more. Gives how many."""
        runs = [run for run in self if run.claim.job.id in job_ids and not run.is_lost]
        for run in runs:
            run.is_lost = True
        self.stop(runs)
        return len(runs)

    def tasks(self) -> set[asyncio.Task[None]]:
        return {task for _, task in self._tasks.values()}

    def _done(self, job_id: str, done: asyncio.Task[None]) -> None:
        held = self._tasks.get(job_id)
        if held is not None and held[1] is done:
            del self._tasks[job_id]
