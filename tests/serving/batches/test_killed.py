"""A gateway that is killed while it checks a batch's file leaves nothing that is not made good."""

import os
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from modelyard.registry.batches.batch_book import BatchBook
from modelyard.registry.jobs.book import JobBook, JobFilter
from tests.serving.batches.served import CHAT, lines
from tests.serving.installation import Installation, open_installation
from tests.serving.processes import PATIENT, environment, gateway_process, until

pytestmark = pytest.mark.slow(seconds=20)

LINES = 1500


@pytest.fixture
def installation(database_url: str, tmp_path: Path) -> Generator[Installation]:
    """The same test runs on both kinds of database."""
    with open_installation(database_url, tmp_path) as installation:
        yield installation


def killed(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)


def jobs(installation: Installation) -> int:
    return sum(JobBook(installation.database).counts(JobFilter()).values())


def begun(http: httpx2.Client) -> str:
    """The id of a new batch of LINES requests."""
    files = {"file": ("lines.jsonl", lines(LINES))}
    file = http.post("/v1/files", files=files, data={"purpose": "batch"}).json()
    asked = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
    return str(http.post("/v1/batches", json=asked).json()["id"])


def test_a_batch_is_checked_by_whoever_is_left(installation: Installation, tmp_path: Path) -> None:
    """Once its lease has lapsed, from the beginning: all of its requests are there, each once."""
    installation.filled.add("talker")
    url = installation.settings.database_url
    env = environment(tmp_path, url) | PATIENT | {"MODELYARD_REQUEST_LEASE_S": "1"}
    with gateway_process(env, tmp_path) as gateway, gateway.http(installation.ada) as http:
        batch_id = begun(http)
        book = BatchBook(installation.database)
        until(lambda: bool((batch := book.known(batch_id)) and batch.fence))
        killed(gateway.process)
    assert jobs(installation) in {0, LINES}
    with gateway_process(env, tmp_path) as gateway, gateway.http(installation.ada) as http:

        def status() -> str:
            return str(http.get(f"/v1/batches/{batch_id}").json()["status"])

        until(lambda: status() == "in_progress")
        assert jobs(installation) == LINES
        counts = http.get(f"/v1/batches/{batch_id}").json()["request_counts"]
        assert counts == {"total": LINES, "completed": 0, "failed": 0}
