"""A gateway and a worker as processes of their own, over one data folder."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx2

from tests.serving.installation import SECRET

MODELYARD = [sys.executable, "-m", "modelyard.serving.cli.main"]
STARTS_WITHIN_S = 120.0
PATIENT = {"MODELYARD_WORKER_ALIVE_S": "600", "MODELYARD_REDIS_PATIENCE_S": "10"}
"""Tests share the machine: what is slow there is neither gone nor dead."""


def environment(data: Path, database_url: str = "") -> dict[str, str]:
    """The surroundings of an installation's processes."""
    ours = {
        "MODELYARD_DATA_DIR": str(data),
        "MODELYARD_DATABASE_URL": database_url,
        "MODELYARD_SECRET_KEY": SECRET,
    }
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MODELYARD_")}
    return inherited | ours


@dataclass(frozen=True, slots=True)
class GatewayProcess:
    """A running gateway and how long it took to answer."""

    process: subprocess.Popen[str]
    url: str
    started_s: float

    def http(self, key: str = "") -> httpx2.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=120, trust_env=False)

    def once_ready(self) -> None:
        """Wait until it has seen a worker: its last look at the fleet may be from before."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        with self.http() as http:
            while http.get("/health/ready").status_code != 200:
                assert time.monotonic() < deadline, "the gateway sees no worker"
                time.sleep(0.05)


@contextmanager
def gateway_process(
    env: Mapping[str, str], folder: Path, *, descriptors: int = 0
) -> Generator[GatewayProcess]:
    """Start `modelyard gateway` on a free port; it is ended whatever happens.

    With `descriptors` it may have so many, as after `ulimit -n`.
    """
    file = folder / "ready.json"
    file.unlink(missing_ok=True)
    begun = time.monotonic()
    with subprocess.Popen(
        [*_limited(descriptors), *MODELYARD, "gateway", "--port", "0", "--ready-file", str(file)],
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            url = _url(process, file)
            httpx2.get(f"{url}/health/live", timeout=60, trust_env=False).raise_for_status()
            yield GatewayProcess(process, url, time.monotonic() - begun)
        finally:
            process.kill()


def _limited(descriptors: int) -> list[str]:
    return ["prlimit", f"--nofile={descriptors}:{descriptors}"] if descriptors else []


def _url(process: subprocess.Popen[str], file: Path) -> str:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not file.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the gateway does not start"
        time.sleep(0.02)
    return str(json.loads(file.read_text())["url"])


@contextmanager
def worker_process(
    env: Mapping[str, str], log: IO[bytes] | None = None
) -> Generator[subprocess.Popen[bytes]]:
    """Start `modelyard worker` on the processor; it ends in good order, its engines too.

    What all of them write goes to `log`, if there is one.
    """
    command = [*MODELYARD, "worker", "--device", "cpu-0"]
    with subprocess.Popen(command, env=dict(env), stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def until(is_so: Callable[[], bool], within_s: float = 90.0) -> None:
    """Wait for what processes do; fails if it does not come about within `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
