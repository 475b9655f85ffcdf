"""The files of a batch's answers, made of its jobs line by line: also while it runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import msgspec

from modelyard.registry.batches.batch import JobBatch
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.job import Job, JobStatus
from modelyard.serving.wire.openai.batches import AnswerLine, LineFailure, LineResponse

TIMEOUT = "timeout"
"""The code of jobs that were not done within the time that they had."""

AT_ONCE = 200
"""Jobs whose answers are in memory at the same moment."""


class AnswerKind(Enum):
    """Which of a batch's files: its answers, or what became of the other lines."""

    OUTPUT = frozenset({JobStatus.COMPLETED})
    ERRORS = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})

    def id_in(self, batch: JobBatch) -> str | None:
        return batch.output_file_id if self is AnswerKind.OUTPUT else batch.error_file_id

    def name_in(self, batch: JobBatch) -> str:
        return f"{batch.id}_{'output' if self is AnswerKind.OUTPUT else 'error'}.jsonl"


@dataclass(frozen=True, slots=True)
class BatchAnswers:
    """Reads what has ended so far; each line is the answer to one line of the batch's file."""

    jobs: JobBook

    def lines(self, batch: JobBatch, kind: AnswerKind) -> Iterator[bytes]:
        """The file's lines as JSON, in the order of the batch's own file."""
        place = -1
        while page := self.jobs.of_batch(batch.id, kind.value, place, AT_ONCE):
            results = self.jobs.results([job.id for job in page])
            for job in page:
                yield msgspec.json.encode(_line(batch, job, results.get(job.id))) + b"\n"
            place = page[-1].place


def _line(batch: JobBatch, job: Job, body: bytes | None) -> AnswerLine:
    line_id = f"batch_req_{job.id.replace('-', '')}"
    custom_id = job.custom_id or job.id
    if body is not None:
        answer = LineResponse(job.result_status or 200, job.id, msgspec.Raw(body))
        return AnswerLine(line_id, custom_id, answer, None)
    return AnswerLine(line_id, custom_id, None, _failure(batch, job))


def _failure(batch: JobBatch, job: Job) -> LineFailure:
    """Why a line has no answer, by OpenAI's names where it has one."""
    if job.status is JobStatus.CANCELLED:
        return LineFailure("batch_cancelled", "It was cancelled before it was done.")
    if job.error_code == TIMEOUT and batch.input_file_id is not None:
        window = batch.completion_window
        return LineFailure("batch_expired", f"It was not done within the window of {window}.")
    return LineFailure(job.error_code or "failed", job.error or "It failed.")
