"""The Prefect server of one command: closed, and gone with it."""

import signal
import subprocess
import time
from pathlib import Path

import httpx2
import psutil
import pytest

from modelyard.registry.web.authorization import basic
from tests.deployments.hub_process import RunningHub as HubProcess
from tests.flows.harness import PATIENCE_S, REPO, FlowHarness
from tests.servers.hostile_folder import hostile_folder
from tests.servers.listening import ListeningSocket, listeners

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ALONE = {"PREFECT_API_URL": "", "PREFECT_API_AUTH_STRING": ""}


def server_of(process: subprocess.Popen[str]) -> ListeningSocket:
    """Wait until a command has started a server of its own."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = [one for one in listeners(process.pid) if one.pid != process.pid]
        if found:
            return found[0]
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nobody_else_may_ask_it(
    harness: FlowHarness, hub_process: HubProcess, tmp_path: Path
) -> None:
    """While `models add` runs it is the one port, on loopback, and asks for a login each time.

    The command stands in a hostile folder, of which nothing is imported by it or its children.
    """
    folder = hostile_folder(tmp_path / "project")
    hub_process.fault(bytes_per_second=20_000, path="tiny-f16.gguf")
    with harness.start("models", "add", REPO, cwd=folder.path, **ALONE) as process:
        server = server_of(process)
        assert psutil.Process(server.pid).ppid() == process.pid
        harness.await_run(lambda run: run.step == "download" and run.done > 0, process)
        assert listeners(process.pid) == [server]
        assert server.where.startswith("127.0.0.1:")
        _refuses(server.url)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    psutil.wait_procs([psutil.Process(server.pid)] if psutil.pid_exists(server.pid) else [], 60)
    assert not psutil.pid_exists(server.pid) or psutil.Process(server.pid).status() == "zombie"
    assert folder.imported == []


def _refuses(url: str) -> None:
    with httpx2.Client(base_url=url, timeout=120, trust_env=False) as stranger:
        for path in ("/api/admin/version", "/api/ready", "/openapi.json", "/docs", "/api/nothing"):
            for method in ("GET", "POST", "PATCH", "DELETE", "OPTIONS"):
                assert stranger.request(method, path).status_code == 401
        page = {"Origin": "http://localhost:3000"}
        assert stranger.post("/api/deployments/filter", json={}, headers=page).status_code == 403
        wrong = {"Authorization": basic("modelyard:wrong").decode()}
        assert stranger.get("/api/admin/version", headers=wrong).status_code == 401


def test_the_command_works_and_leaves_no_server(harness: FlowHarness) -> None:
    """Everything it has to tell its server is told before that ends: nothing complains."""
    outcome = harness.add(**ALONE)
    assert [v["ref"] for v in outcome.document["versions"]] == [f"{REPO}@1"]
    assert "temporary Prefect" in outcome.err
    assert "Error" not in outcome.err
    assert "Traceback" not in outcome.err
    assert harness.runs()[0].prefect_run_id


def test_a_server_that_wants_another_login_is_named(harness: FlowHarness) -> None:
    """Exit code 6 with the variable to set, before anything is done."""
    outcome = harness.add(PREFECT_API_AUTH_STRING="somebody:else")
    assert outcome.status == 6
    assert harness.prefect.url in outcome.err.replace("\n", "")
    assert "PREFECT_API_AUTH_STRING" in outcome.err
    assert "somebody:else" not in outcome.err
    assert harness.runs() == []
