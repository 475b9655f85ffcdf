"""Works on batches beside the requests: checks their files, and writes those of their answers."""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import OperationalError

from modelyard.registry.batches.batch import BatchStatus, JobBatch
from modelyard.registry.batches.file_removal import AT_ONCE, FileRemoval
from modelyard.registry.batches.forgetting import BatchForgetting
from modelyard.registry.batches.states import BatchStates
from modelyard.registry.database import utc_now
from modelyard.registry.files.file_store import FileStore
from modelyard.registry.files.user_file import FilePurpose, UserFile
from modelyard.registry.logs import logger
from modelyard.serving.batches.answers import TIMEOUT, AnswerKind, BatchAnswers
from modelyard.serving.batches.draft import drafting
from modelyard.serving.batches.validating import BatchValidator

IDLE_S = 0.5
"""Seconds between looks for a batch that has to be worked on."""

TIDY_S = 600.0
"""Seconds between looks for files and batches whose time is over."""

_VALIDATING = frozenset({BatchStatus.VALIDATING})
_ENDING = frozenset({BatchStatus.IN_PROGRESS, BatchStatus.CANCELLING, BatchStatus.FINALIZING})

_log = logger("modelyard.batches")


@dataclass(frozen=True, slots=True)
class BatchKeeper:
    """Every process that dispatches has one; each batch is worked on by one of them.

    `life` is how long files of answers are kept, `kept` how long batches are.
    """

    states: BatchStates
    validator: BatchValidator
    answers: BatchAnswers
    stored: FileStore
    removal: FileRemoval
    forgetting: BatchForgetting
    life: timedelta
    kept: timedelta

    async def run(self) -> None:
        """Work for as long as the process does; a long file holds up no other batch's end."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work(_VALIDATING))
            group.create_task(self._work(_ENDING))
            group.create_task(self._tidy())

    async def _work(self, statuses: Collection[BatchStatus]) -> None:
        while True:
            if not await self._step(statuses):
                await asyncio.sleep(IDLE_S)

    async def _step(self, statuses: Collection[BatchStatus]) -> bool:
        """Work on one batch, if one has to be; one that breaks is tried again after its lease."""
        try:
            batch = await asyncio.to_thread(self.states.take, statuses)
            if batch is None:
                left = await asyncio.to_thread(self.states.cancel_left)
                return bool(left)
            if batch.status is BatchStatus.VALIDATING:
                await self.validator.validate(batch)
            else:
                await asyncio.to_thread(self.end, batch)
        except OperationalError:
            _log.warning("the database did not answer", exc_info=True)
            return False
        except Exception:  # noqa: BLE001  whatever it is: other batches go on
            _log.exception("a batch broke")
            return False
        return True

    async def _tidy(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.tidy)
            except OperationalError:
                _log.warning("the database did not answer", exc_info=True)
            await asyncio.sleep(TIDY_S)

    def tidy(self) -> None:
        """Remove the files and forget the batches whose time is over."""
        now = utc_now()
        while self.removal.remove_expired(now) == AT_ONCE:
            pass
        self.forgetting.forget(now - self.kept)

    def end(self, batch: JobBatch) -> None:
        """Write the files of a batch whose jobs have all ended, and end it."""
        if batch.status is BatchStatus.IN_PROGRESS:
            moved = self.states.finalize(batch)
            if moved is None:
                return
            batch = moved
        written = [self._written(batch, kind) for kind in AnswerKind]
        self.states.end(batch, _end_of(batch), [file for file in written if file])

    def _written(self, batch: JobBatch, kind: AnswerKind) -> UserFile | None:
        """The file in the store, pinned; None where there is no line for it."""
        file_id = kind.id_in(batch)
        if file_id is None:
            return None
        with drafting(self.stored.store) as draft:
            held = time.monotonic()
            for line in self.answers.lines(batch, kind):
                draft.write(line)
                if time.monotonic() - held > self.states.lease_s / 4:
                    held = time.monotonic()
                    self.states.extend(batch)
            stored = draft.finish()
            if not stored.size:
                return None
            self.stored.keep(draft.path, stored, file_id)
        now = utc_now()
        return UserFile(
            id=file_id,
            user_id=batch.user_id,
            purpose=FilePurpose.BATCH_OUTPUT,
            name=kind.name_in(batch),
            size=stored.size,
            sha256=stored.sha256,
            created_at=now,
            expires_at=now + self.life,
        )


def _end_of(batch: JobBatch) -> BatchStatus:
    if batch.status is BatchStatus.CANCELLING:
        return BatchStatus.CANCELLED
    is_late = batch.input_file_id is not None and batch.error_codes.get(TIMEOUT)
    return BatchStatus.EXPIRED if is_late else BatchStatus.COMPLETED
