"""Engine processes for tests: started as a worker starts them, ended by their own id."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import openai

from modelyard.serving.engines.child.environment import child_environment

TOKEN = "t" * 32
SERVER = [sys.executable, "-m", "modelyard.serving.engines.process.server", "--config", "-"]


@dataclass(frozen=True, slots=True)
class StartedEngine:
    """A running engine process and what it said when it was ready."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=TOKEN, max_retries=0, timeout=120)

    def http(self) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=120)

    def state(self) -> dict[str, Any]:
        with self.http() as http:
            return dict(http.get("/state").json())


def config(**given: Any) -> dict[str, Any]:
    """What a worker writes to an engine's standard input."""
    known = {
        "version_id": "version-1",
        "model_name": "tiny/model",
        "format": "mock",
        "path": "",
        "context_length": 512,
        "parallel": 4,
        "threads": 1,
        "gpu_layers": 0,
        "host": "127.0.0.1",
        "internal_token": TOKEN,
    }
    return known | given


@contextmanager
def engine_process(**given: Any) -> Generator[StartedEngine]:
    """Start one, wait for its ready line, and end it whatever happens."""
    with subprocess.Popen(
        SERVER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment(given.get("format", "mock")),
    ) as process:
        try:
            yield StartedEngine(process, _first_line(process, json.dumps(config(**given))))
        finally:
            process.kill()


def refusal(line: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the one line of an engine process that cannot start."""
    with subprocess.Popen(
        SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        answer = _first_line(process, line)
        return process.wait(60), answer


def _first_line(process: subprocess.Popen[str], line: str) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return dict(json.loads(process.stdout.readline()))
