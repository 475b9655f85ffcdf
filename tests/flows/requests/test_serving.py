"""`modelyard flows` carries a fine-tuning through, killed in the middle, with a real runner."""

import json
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import update

from modelyard.flows.prefect.address import Prefect
from modelyard.registry.database import utc_now
from modelyard.registry.errors import ModelyardError
from modelyard.registry.jobs.book import JobBook
from modelyard.registry.jobs.job import Job, JobStatus, JobType, NewJob
from modelyard.registry.jobs.queue import JobQueue
from modelyard.registry.jobs.tables import JobRow
from modelyard.registry.runs.served_flows import ServedFlows
from tests.flows.harness import FlowHarness
from tests.flows.requests.conftest import until

ROOT = Path(__file__).parents[3]


@pytest.fixture
def harness(tmp_path: Path, used_data_folder: Path, prefect: Prefect) -> FlowHarness:
    data = shutil.copytree(used_data_folder, tmp_path / "data")
    return FlowHarness(data, "http://127.0.0.1:9", prefect)


@contextmanager
def running(harness: FlowHarness, *words: str) -> Generator[subprocess.Popen[bytes]]:
    """A process that is interrupted at the end, as by Ctrl-C, unless it was killed."""
    said = harness.data.parent / f"{uuid.uuid4()}.log"
    with (
        said.open("wb") as log,
        subprocess.Popen(words, env=harness.env(), cwd=ROOT, stdout=log, stderr=log) as process,
    ):
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(120)


@contextmanager
def flows(harness: FlowHarness) -> Generator[subprocess.Popen[bytes]]:
    with running(harness, sys.executable, "-m", "modelyard.serving.cli.main", "flows") as process:
        yield process


def fine_tuning(gate: Path) -> NewJob:
    return NewJob(
        id=str(uuid.uuid4()),
        user_id="u1",
        asked_by="u1",
        model="owner/name",
        type=JobType.FINE_TUNING,
        path="fine-tuning",
        body=json.dumps({"gate": str(gate), "steps": 7}).encode(),
        priority=3,
        timeout_s=3600,
        digest="0" * 64,
    )


@pytest.mark.slow(seconds=60)
@pytest.mark.timeout(900)
def test_a_fine_tuning_survives_the_process_that_follows_it(
    harness: FlowHarness, tmp_path: Path
) -> None:
    """Killed in the middle: the next process follows the same run to its end and its result."""
    gate = tmp_path / "gate"
    with (
        harness.database() as database,
        running(harness, sys.executable, "-m", "tests.flows.requests.trainer"),
    ):
        queue = JobQueue(database)
        book = JobBook(database)
        with flows(harness) as first:
            until(lambda: is_offered(ServedFlows(database)), 400)
            (job,) = queue.submit([fine_tuning(gate)])
            until(lambda: book.get(job.id).progress == 0.5, 400)
            first.kill()
        assert book.get(job.id).status is JobStatus.PROCESSING
        with database.begin() as session:  # its lease has run out: the next process sees it
            session.execute(update(JobRow).values(lease_until=utc_now()))
        with flows(harness):
            until(lambda: is_followed(book.get(job.id)), 400)
            gate.touch()
            until(lambda: book.get(job.id).status.is_end, 400)
        assert (book.get(job.id).status, book.get(job.id).attempts) == (JobStatus.COMPLETED, 2)
        result = json.loads(book.result(job.id) or b"")
    assert [each["data"] for each in result["artifacts"]] == ["7 steps"], "of one run"


def is_offered(flows: ServedFlows) -> bool:
    with suppress(ModelyardError):
        return flows.of("fine-tuning").flow == "lora"
    return False


def is_followed(job: Job) -> bool:
    return job.attempts == 2 and job.progress == 0.5
