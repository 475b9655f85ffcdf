"""What the routes of files and batches are made of, opened once at the gateway's start."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Self

from modelyard.registry.batches.batch_book import BatchBook
from modelyard.registry.batches.entering import Batches
from modelyard.registry.batches.file_removal import FileRemoval
from modelyard.registry.batches.forgetting import BatchForgetting
from modelyard.registry.batches.states import BatchStates
from modelyard.registry.database import Database
from modelyard.registry.files.file_book import FileBook, FileRoom
from modelyard.registry.files.file_store import FileStore
from modelyard.registry.installation import open_store
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.batches.answers import BatchAnswers
from modelyard.serving.batches.keeping import BatchKeeper
from modelyard.serving.batches.uploading import FileIntake
from modelyard.serving.batches.validating import BatchValidator
from modelyard.serving.jobs.running.job_run import JobRunner
from modelyard.serving.settings import FileSettings, RequestSettings


@dataclass(frozen=True, slots=True)
class BatchServices:
    """The rooms behind /v1/files and /v1/batches."""

    files: FileBook
    stored: FileStore
    intake: FileIntake
    removal: FileRemoval
    book: BatchBook
    batches: Batches
    answers: BatchAnswers

    @classmethod
    def of(cls, db: Database, registry: RegistrySettings, settings: FileSettings) -> Self:
        files = FileBook(db)
        stored = FileStore(partial(open_store, registry))
        room = FileRoom(int(settings.user_files_gb * 1e9))
        return cls(
            files,
            stored,
            FileIntake(files, stored, room, timedelta(days=settings.files_days)),
            FileRemoval(db, stored),
            BatchBook(db),
            Batches(db),
            BatchAnswers(JobBook(db)),
        )


def keeper_of(
    db: Database,
    queue: JobQueue,
    runner: JobRunner,
    *,
    registry: RegistrySettings,
    settings: RequestSettings,
) -> BatchKeeper:
    """What works on batches where jobs are dispatched."""
    files = FileBook(db)
    stored = FileStore(partial(open_store, registry))
    states = BatchStates(db, settings.request_lease_s)
    versions = runner.gateway.versions
    return BatchKeeper(
        states,
        BatchValidator(states, files, stored, versions, queue, runner.owners.caller),
        BatchAnswers(JobBook(db)),
        stored,
        FileRemoval(db, stored),
        BatchForgetting(db),
        life=timedelta(days=settings.files_days),
        kept=timedelta(days=settings.requests_days),
    )
