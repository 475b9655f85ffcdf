"""A Hub in a process of its own, over a folder that a test fills."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
from huggingface_hub import HfApi

START_SECONDS = 120


fetch = partial(httpx2.get, timeout=60)
"""A GET that is patient with a busy machine."""


@dataclass(frozen=True, slots=True)
class RunningHub:
    """A running Hub: its address and the folder it serves."""

    url: str
    root: Path

    def client(self, token: str | None = None) -> HfApi:
        """The real client; without a token it stays anonymous whatever the machine knows."""
        return HfApi(endpoint=self.url, token=token or False)

    def fault(self, **fields: int | str) -> None:
        """Order a fault for the next file requests; no field clears all orders."""
        httpx2.post(f"{self.url}/__fault", json=fields, timeout=60).raise_for_status()

    @property
    def file_bytes(self) -> int:
        """Bytes of files sent so far."""
        return httpx2.get(f"{self.url}/__stats", timeout=60).json()["file_bytes"]

    def address(self, repo_id: str, path: str, revision: str = "main") -> str:
        return f"{self.url}/{repo_id}/resolve/{revision}/{path}"


@contextmanager
def running_hub(root: Path, scratch: Path, *options: str, **env: str) -> Generator[RunningHub]:
    """Start a Hub over `root` with the command line's `options`; it is ended on leaving."""
    ready = scratch / "hub-ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "modelyard.deployments.demo.hub", "--root", str(root)]
    surroundings = {**os.environ, **env}
    process = subprocess.Popen([*command, "--ready-file", str(ready), *options], env=surroundings)
    try:
        yield RunningHub(_address(ready, process), root)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _address(ready: Path, process: subprocess.Popen[bytes]) -> str:
    give_up = time.monotonic() + START_SECONDS
    while not ready.exists():
        assert process.poll() is None, "the Hub ended before it was ready"
        assert time.monotonic() < give_up, "the Hub is not ready yet"
        time.sleep(0.02)
    return json.loads(ready.read_text())["url"]
