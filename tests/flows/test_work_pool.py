"""prefect.yaml as its head says: deployed to a pool, run by a worker, on a server that asks."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelyard.registry.runs.state import RunState
from tests.flows.harness import REPO, FlowHarness
from tests.servers.prefect import prefect_api

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
PREFECT = (sys.executable, "-m", "prefect")


@pytest.fixture
def environment(harness: FlowHarness, tmp_path: Path) -> dict[str, str]:
    """What who deploys and who works has set; Prefect keeps nothing of it in a home."""
    home = {"PREFECT_HOME": str(tmp_path / "client"), "PREFECT_CLI_PROMPT": "false"}
    return harness.env(**home)


def _prefect(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PREFECT, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def _deployments(harness: FlowHarness) -> list[dict[str, Any]]:
    pool = {"work_pools": {"name": {"any_": ["modelyard"]}}}
    with prefect_api(harness.prefect) as api:
        return api.post("/deployments/filter", json=pool).raise_for_status().json()


def test_a_worker_of_the_pool_ingests(harness: FlowHarness, environment: dict[str, str]) -> None:
    """`prefect deploy --all`, a process worker, and a run of the deployment: a version."""
    for words in (
        ("work-pool", "create", "modelyard", "--type", "process"),
        ("deploy", "--all"),
    ):
        done = _prefect(environment, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    for deployment in _deployments(harness):
        assert (deployment["name"], deployment["pull_steps"]) == ("pool", []), "no folder of ours"
    elsewhere = harness.data.with_name("elsewhere")
    elsewhere.mkdir()
    worker = subprocess.Popen(
        [*PREFECT, "worker", "start", "--pool", "modelyard", "--type", "process"],
        cwd=elsewhere, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        run = ("deployment", "run", "ingest/pool", "-p", f"repo={REPO}", "--watch")
        ended = _prefect(environment, *run)
    finally:
        worker.send_signal(signal.SIGTERM)
        said, _ = worker.communicate(timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr + said
    (version,) = harness.versions()
    assert version.aliases == ("champion",)
    assert harness.runs()[0].state is RunState.COMPLETED


def test_without_the_login_nothing_runs(harness: FlowHarness, environment: dict[str, str]) -> None:
    """Neither a deployment nor a command's own run."""
    del environment["PREFECT_API_AUTH_STRING"]
    assert _prefect(environment, "deployment", "ls").returncode != 0
    argv = [sys.executable, "-m", "modelyard.serving.cli.main", "models", "add", REPO]
    ended = subprocess.run(
        argv, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert ended.returncode != 0
    assert harness.versions() == []
