"""A real Prefect server on loopback, in a home of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx

START_S = 120.0
QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}


@contextmanager
def running_prefect(home: Path) -> Generator[str]:
    """Start a server; yields the address of its API and ends it on leaving."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    argv = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    env = {**os.environ, **QUIET, "PREFECT_HOME": str(home)}
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*argv, "--port", str(port)], env=env, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _await(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=120)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while not _answers(url):
        assert process.poll() is None, "the Prefect server ended before it answered"
        assert time.monotonic() < deadline, "the Prefect server does not answer"
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=10).is_success
    except httpx.HTTPError:
        return False
