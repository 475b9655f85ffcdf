"""Commands work in any folder, whatever lies there: `up` itself stands in a hostile one."""

import signal
import subprocess
import time

import httpx2
import pytest

from modelyard.registry.process.ports import choose_port
from tests.acceptance.conftest import RunningInstance, modelyard

pytestmark = [pytest.mark.slow(seconds=250), pytest.mark.timeout(600)]
START_S = 240


def test_up_and_all_it_started_imported_nothing_of_it(up: RunningInstance) -> None:
    """Six services, an engine, two commands and a flow run, each with the children it needed."""
    assert up.facts["demo_model"]
    assert up.folder.imported == []


@pytest.mark.parametrize(
    "command",
    [
        "doctor",
        "config",
        "status",
        "models list",
        "models search king",
        "users list",
        "keys metrics",
    ],
)
def test_a_command_imports_nothing_of_the_folder(up: RunningInstance, command: str) -> None:
    """Ours, the libraries' and Python's own modules come from where they are installed."""
    ended = up.command(*command.split())
    assert ended.returncode == 0, ended.stderr
    assert up.folder.imported == []


@pytest.mark.parametrize(
    ("command", "health"), [("gateway", "/health/live"), ("dashboard", "/_stcore/health")]
)
def test_a_service_that_is_started_by_hand_does_neither(
    up: RunningInstance, command: str, health: str
) -> None:
    """It answers as it does under `up`."""
    port = choose_port(0, "")
    with subprocess.Popen(
        modelyard(command, "--port", str(port)), env=up.env, cwd=up.folder.path
    ) as service:
        try:
            _await(f"http://127.0.0.1:{port}{health}", service)
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(60)
    assert up.folder.imported == []


def _await(url: str, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            assert httpx2.get(url, timeout=60, trust_env=False).status_code == 200
        except httpx2.TransportError:
            assert service.poll() is None, "it ended before it answered"
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return
