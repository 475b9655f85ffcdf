"""prefect.yaml as its head says: deployed to a pool, run by a worker, on a server that asks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from registry.names import RunState
from registry.ports import choose_port
from tests.flows.bench import REPO, Bench
from tests.servers.prefect import QUIET, START_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
PREFECT = (sys.executable, "-m", "prefect")
LOGIN = "modelyard:a password of its own"


@pytest.fixture(scope="module")
def closed_prefect(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A server that asks for a login."""
    home = tmp_path_factory.mktemp("prefect")
    port = choose_port(0, "")
    url = f"http://127.0.0.1:{port}/api"
    asks = {"PREFECT_HOME": str(home), "PREFECT_SERVER_API_AUTH_STRING": LOGIN}
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, **QUIET, **asks}, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _await(f"{url}/health", server)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=120)


def _await(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert server.poll() is None, "the Prefect server ended before it answered"
        assert time.monotonic() < deadline, "the Prefect server does not answer"
        try:
            if httpx.get(url, timeout=10).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)


@pytest.fixture
def environment(bench: Bench, closed_prefect: str, tmp_path: Path) -> dict[str, str]:
    """What who deploys and who works has set; Prefect keeps nothing of it in a home."""
    home = {"PREFECT_HOME": str(tmp_path / "client"), "PREFECT_CLI_PROMPT": "false"}
    return bench.env(PREFECT_API_URL=closed_prefect, PREFECT_API_AUTH_STRING=LOGIN, **home)


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


def test_a_worker_of_the_pool_ingests(bench: Bench, environment: dict[str, str]) -> None:
    """`prefect deploy --all`, a process worker, and a run of the deployment: a version."""
    for words in (
        ("work-pool", "create", "modelyard", "--type", "process"),
        ("deploy", "--all"),
    ):
        done = _prefect(environment, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    elsewhere = bench.data.with_name("elsewhere")
    elsewhere.mkdir()
    worker = subprocess.Popen(
        [*PREFECT, "worker", "start", "--pool", "modelyard", "--type", "process"],
        cwd=elsewhere, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        run = ("deployment", "run", "ingest/ingest", "-p", f"repo={REPO}", "--watch")
        ended = _prefect(environment, *run)
    finally:
        worker.send_signal(signal.SIGTERM)
        said, _ = worker.communicate(timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr + said
    (version,) = bench.versions()
    assert version.aliases == ("champion",)
    assert bench.runs()[0].state is RunState.COMPLETED


def test_without_the_login_nothing_runs(bench: Bench, environment: dict[str, str]) -> None:
    """Neither a deployment nor a command's own run."""
    del environment["PREFECT_API_AUTH_STRING"]
    assert _prefect(environment, "deployment", "ls").returncode != 0
    argv = [sys.executable, "-m", "serving.cli.main", "models", "add", REPO]
    ended = subprocess.run(
        argv, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert ended.returncode != 0
    assert bench.versions() == []
