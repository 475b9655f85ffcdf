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
from modelyard.registry.files.file_book import FileBook, FileRoom
from modelyard.registry.files.file_store import FileStore
from modelyard.registry.identity.identity import Identity
from modelyard.registry.installation import open_store
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.batches.answers import BatchAnswers
from modelyard.serving.batches.keeping import BatchKeeper
from modelyard.serving.batches.uploading import FileIntake
from modelyard.serving.batches.validating import BatchValidator
from modelyard.serving.gateway.model_versions import VisibleVersions
from modelyard.serving.jobs.running.owners import JobOwners
from modelyard.serving.settings import RequestSettings


@dataclass(frozen=True, slots=True)
class BatchServices:
    """The rooms behind /v1/files, /v1/batches and /api/v1/route/batch."""

    files: FileBook
    stored: FileStore
    intake: FileIntake
    removal: FileRemoval
    book: BatchBook
    batches: Batches
    answers: BatchAnswers
    keeper: BatchKeeper

    @classmethod
    def of(
        cls,
        queue: JobQueue,
        registry: RegistrySettings,
        settings: RequestSettings,
        *,
        identity: Identity,
        versions: VisibleVersions,
    ) -> Self:
        database = identity.db
        files = FileBook(database)
        stored = FileStore(partial(open_store, registry))
        removal = FileRemoval(database, stored)
        answers = BatchAnswers(JobBook(database))
        states = BatchStates(database)
        owner = JobOwners(identity).caller
        life = timedelta(days=settings.files_days)
        return cls(
            files,
            stored,
            FileIntake(files, stored, FileRoom(int(settings.user_files_gb * 1e9)), life),
            removal,
            BatchBook(database),
            Batches(database),
            answers,
            BatchKeeper(
                states,
                BatchValidator(states, files, stored, versions, queue, owner),
                answers,
                stored,
                removal,
                BatchForgetting(database),
                life,
                kept=timedelta(days=settings.requests_days),
            ),
        )
