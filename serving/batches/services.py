"""What the routes of files and batches are made of, opened once at the gateway's start."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Self

from modelyard.registry.batches.batch_book import BatchBook
from modelyard.registry.batches.entering import Batches
from modelyard.registry.batches.file_removal import FileRemoval
from modelyard.registry.database import Database
from modelyard.registry.files.file_book import FileBook, FileRoom
from modelyard.registry.files.file_store import FileStore
from modelyard.registry.installation import open_store
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.settings import RegistrySettings
from modelyard.serving.batches.answers import BatchAnswers
from modelyard.serving.batches.uploading import FileIntake
from modelyard.serving.settings import FileSettings


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

    @classmethod
    def of(cls, database: Database, registry: RegistrySettings, settings: FileSettings) -> Self:
        files = FileBook(database)
        stored = FileStore(partial(open_store, registry))
        room = FileRoom(int(settings.user_files_gb * 1e9))
        return cls(
            files,
            stored,
            FileIntake(files, stored, room, timedelta(days=settings.files_days)),
            FileRemoval(database, stored),
            BatchBook(database),
            Batches(database),
            BatchAnswers(JobBook(database)),
        )
