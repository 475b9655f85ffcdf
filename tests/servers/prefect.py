"""A real Prefect server on loopback, in a home of its own."""

import os
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from modelyard.flows.prefect.address import Prefect, answers
from modelyard.flows.prefect.server import LOGIN
from modelyard.registry.process.ports import choose_port
from modelyard.registry.process.python import python_module
from modelyard.registry.web.authorization import basic

START_S = 120.0
BUSY_S = 60.0
QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


@contextmanager
def running_prefect(home: Path) -> Generator[Prefect]:
    """Start a server; yields its API's address with its login, and ends it on leaving."""
    port = choose_port(0, "")
    server = Prefect(f"http://127.0.0.1:{port}/api", "tests:of-this-session")
    env = {**os.environ, **QUIET, "PREFECT_HOME": str(home), LOGIN: server.login}
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            python_module("modelyard.flows.prefect.server", "--port", str(port)),
            env=env, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        _await(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=120)


class Patient(httpx2.HTTPTransport):
    """Asks again while Prefect's database is busy (503: nothing was changed), as its clients do."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        until = time.monotonic() + BUSY_S
        while (answer := super().handle_request(request)).status_code == 503:
            if time.monotonic() > until:
                break
            answer.close()
            time.sleep(0.1)
        return answer


@contextmanager
def prefect_api(server: Prefect) -> Generator[httpx2.Client]:
    """A client of the server's API, logged in."""
    login = {"Authorization": basic(server.login).decode()}
    with httpx2.Client(
        base_url=server.url, headers=login, timeout=120, transport=Patient()
    ) as client:
        yield client


def _await(server: Prefect, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while not answers(server):
        assert process.poll() is None, "the Prefect server ended before it answered"
        assert time.monotonic() < deadline, "the Prefect server does not answer"
        time.sleep(0.2)
