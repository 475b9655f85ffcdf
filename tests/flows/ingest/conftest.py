"""An ingest on the board with a data folder of its own, without Prefect."""

from collections.abc import Generator
from pathlib import Path

import pytest

from modelyard.flows.ingest.request import IngestRequest
from modelyard.flows.ingest.run import IngestRun, open_job
from tests.deployments.hub_process import RunningHub as HubProcess

REPO = "ada/model"


@pytest.fixture
def job(
    tmp_path: Path, hub_process: HubProcess, monkeypatch: pytest.MonkeyPatch
) -> Generator[IngestRun]:
    monkeypatch.setenv("MODELYARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HF_ENDPOINT", hub_process.url)
    with open_job(IngestRequest(repo=REPO), "run") as run:
        yield run
