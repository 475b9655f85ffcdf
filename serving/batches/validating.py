"""Checks a batch's file beside the traffic, and then hands in all of its jobs or none."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlalchemy.orm import Session

from modelyard.registry.batches.batch import JobBatch, LineError
from modelyard.registry.batches.states import BatchStates
from modelyard.registry.billing.quota import Quota
from modelyard.registry.database import utc_now
from modelyard.registry.errors import ModelyardError
from modelyard.registry.files.file_book import FileBook
from modelyard.registry.files.file_store import FileStore
from modelyard.registry.files.user_file import new_file_id
from modelyard.registry.identity.caller import Caller
from modelyard.registry.jobs.errors import QueueFull
from modelyard.registry.jobs.job import NewJob
from modelyard.registry.jobs.limits import LEAST_PRIORITY
from modelyard.registry.jobs.queue import JobQueue
from modelyard.serving.batches.file_check import CheckedLine, FileCheck
from modelyard.serving.errors import Unavailable
from modelyard.serving.gateway.model_versions import VisibleVersions
from modelyard.serving.jobs.intake.acting import Acting
from modelyard.serving.jobs.intake.forming import Terms
from modelyard.serving.jobs.intake.payload import check_kind

LINES_AT_ONCE = 100
JOBS_AT_ONCE = 500
FULL_S = 15.0
"""Seconds until a batch for which the queue has no room is looked at again."""


@dataclass(frozen=True, slots=True)
class BatchValidator:
    """From validating to in progress, or to failed with what is wrong in which line.

    Whoever is killed meanwhile leaves nothing behind: another begins again with the file.
    """

    states: BatchStates
    files: FileBook
    stored: FileStore
    versions: VisibleVersions
    queue: JobQueue
    owner: Callable[[str], Awaitable[Caller]]

    async def validate(self, batch: JobBatch) -> None:
        """Do all of it for a batch that was taken; once it is lost, it is let alone."""
        try:
            path = await asyncio.to_thread(self._path, batch)
            user = await self.owner(batch.user_id)
            with path.open("rb") as file:
                check = await self._checked(batch, file, user)
                if check is not None:
                    await self._hand_in(batch, check, user)
        except QueueFull:
            await asyncio.to_thread(self.states.put_off, batch, FULL_S)
        except Unavailable as error:
            await asyncio.to_thread(self.states.put_off, batch, error.retry_after)
        except ModelyardError as error:
            await self._reject(batch, [LineError(error.code, str(error))])

    def _path(self, batch: JobBatch) -> Path:
        return self.stored.path(self.files.get(batch.input_file_id or "", batch.user_id))

    async def _checked(self, batch: JobBatch, file: IO[bytes], user: Caller) -> FileCheck | None:
        """The whole file, checked; None if the batch was lost meanwhile.

        It takes half of the time of one thread at most: live requests need the processor too.
        """
        left_s = max(1.0, (batch.expires_at - utc_now()).total_seconds())
        terms = Terms(left_s, LEAST_PRIORITY, batch_id=batch.id)
        acting = Acting(user, user, Quota(user.user_id))
        check = FileCheck(file, batch.endpoint, acting, terms)
        held = time.monotonic()
        while True:
            begun = time.monotonic()
            is_more = await asyncio.to_thread(check.read, LINES_AT_ONCE)
            if not is_more:
                return check
            await asyncio.sleep(time.monotonic() - begun)
            if time.monotonic() - held > self.states.lease_s / 4:
                held = time.monotonic()
                if not await asyncio.to_thread(self.states.extend, batch):
                    return None

    async def _hand_in(self, batch: JobBatch, check: FileCheck, user: Caller) -> None:
        if check.errors or check.first is None:
            await self._reject(batch, check.errors)
            return
        model = check.first.model
        meant = await self.versions.find((model, user))
        check_kind(batch.endpoint, meant.version)
        about = {
            "model": model,
            "total": len(check.lines),
            "output_file_id": new_file_id(),
            "error_file_id": new_file_id(),
        }
        lines = sorted(check.lines, key=lambda line: line.prefix)
        first = check.first

        def submit(session: Session) -> None:
            self._submit(session, check.file, lines, first)

        await asyncio.to_thread(self.states.extend, batch)
        await asyncio.to_thread(self.states.begin, batch, about, submit)

    def _submit(
        self, session: Session, file: IO[bytes], lines: Sequence[CheckedLine], like: NewJob
    ) -> None:
        for start in range(0, len(lines), JOBS_AT_ONCE):
            some = lines[start : start + JOBS_AT_ONCE]
            jobs = [line.job(file, like, str(uuid.uuid4())) for line in some]
            self.queue.submit(jobs, session)

    async def _reject(self, batch: JobBatch, errors: Sequence[LineError]) -> None:
        await asyncio.to_thread(self.states.reject, batch, errors)
