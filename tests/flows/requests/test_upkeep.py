"""The flows' process looks after the queue, also where nothing else dispatches."""

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from modelyard.flows.context import open_context
from modelyard.flows.prefect.address import Prefect
from modelyard.flows.requests.serving import requests_served
from modelyard.registry.database import utc_now
from modelyard.registry.jobs.claiming import ClaimRequest
from modelyard.registry.jobs.job import JobStatus, JobType, NewJob
from modelyard.registry.jobs.tables import JobRow
from tests.flows.requests.conftest import until


@pytest.fixture(autouse=True)
def _settings(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MODELYARD_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("MODELYARD_REQUEST_LEASE_S", "77")


def training() -> NewJob:
    return NewJob(
        id=str(uuid.uuid4()),
        user_id="u1",
        asked_by="u1",
        model="owner/name",
        type=JobType.TRAINING,
        path="training",
        body=b"{}",
        priority=3,
        timeout_s=600,
        digest="0" * 64,
    )


def test_its_claims_hold_as_long_as_a_gateway_s() -> None:
    """MODELYARD_REQUEST_LEASE_S is one setting for all."""
    with open_context() as context:
        context.job_queue.submit([training()])
        [claim] = context.job_queue.claim("a/1", ClaimRequest(flows=1))
        with context.db.read() as session:
            until_at = session.get_one(JobRow, claim.job.id).lease_until
    assert until_at is not None
    assert timedelta(seconds=60) < until_at - utc_now() <= timedelta(seconds=77)


def test_timeouts_hold_and_lost_claims_are_taken_back() -> None:
    """Though Prefect is away."""
    with open_context() as context:
        late, lost = context.job_queue.submit([training(), training()])
        context.job_queue.claim("killed/1", ClaimRequest(flows=2))
        with context.db.begin() as session:
            session.execute(update(JobRow).values(lease_until=utc_now()))
            passed = update(JobRow).where(JobRow.id == late.id)
            session.execute(passed.values(deadline=utc_now()))
        with requests_served(Prefect("http://127.0.0.1:9/api"), every_s=0.05):
            until(lambda: context.job_book.get(late.id).status.is_end)
            until(lambda: context.job_book.get(lost.id).status is JobStatus.QUEUED)
        assert context.job_book.get(late.id).error_code == "timeout"
