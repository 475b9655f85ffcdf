"""Those that are compared, each a process of its own on the gateway's core."""

import os
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import msgspec

from benchmarks.gateway.installation import GatewaySite
from benchmarks.gateway.litellm import LiteLLM
from modelyard.registry.process.ports import choose_port

GATEWAY_CORE = "0"
LOAD_CORE = "1"
ROOT = Path(__file__).parents[2]
PATH = "/v1/chat/completions"
STARTS_WITHIN_S = 180.0


@dataclass(frozen=True, slots=True)
class Contestant:
    """A running proxy: where it answers, its process, the key it wants."""

    name: str
    url: str
    pid: int
    key: str = ""


@contextmanager
def running(
    argv: list[str], core: str, url: str, env: Mapping[str, str] | None = None
) -> Generator[int]:
    """A child on one core, from when `url` answers until it is ended."""
    environment = {**os.environ, **(env or {})}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles its modules each time
    silent = subprocess.DEVNULL
    command = ["taskset", "-c", core, *argv]
    with subprocess.Popen(command, env=environment, stdout=silent, stderr=silent) as child:
        try:
            _await(child, url)
            yield child.pid
        finally:
            child.terminate()
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()


def _await(child: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    with httpx2.Client(trust_env=False) as client:
        while child.poll() is None and time.monotonic() < deadline:
            try:
                client.get(url)
            except httpx2.TransportError:
                time.sleep(0.05)
            else:
                return
    sys.exit(f"{child.args} did not start")


@dataclass(frozen=True, slots=True)
class Field:
    """Starts contestants, until `stack` ends."""

    stack: ExitStack
    backend: str
    folder: Path

    def ours(self, name: str, redis: str = "", *, modules: Path | None = None) -> Contestant:
        """The gateway of the checkout, or of other `modules`."""
        site = self._prepared(name, redis, modules)
        port = choose_port(0, "")
        argv = [
            sys.executable,
            "-P",
            "-m",
            "modelyard.serving.cli.main",
            "gateway",
            "--port",
            str(port),
        ]
        environment = {**site.environment, "PYTHONPATH": str(modules or "")}
        return self._start(name, argv, port, environment, key=site.key)

    def _prepared(self, name: str, redis: str, modules: Path | None) -> GatewaySite:
        module = [sys.executable, "-P", "-m", "benchmarks.gateway.installation"]
        environment = {**os.environ, "PYTHONPATH": _found_in(modules)}
        site = subprocess.run(
            [*module, self.folder / name, self.backend, redis],
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        return msgspec.json.decode(site.stdout, type=GatewaySite)

    def proxy(self, kind: str, name: str, *, modules: Path | None = None) -> Contestant:
        """One of the floors, with the `modules` that ours has."""
        port = choose_port(0, "")
        floor = ["benchmarks.gateway.floor", kind, str(port), self.backend]
        environment = {"PYTHONPATH": _found_in(modules)}
        return self._start(name, [sys.executable, "-P", "-m", *floor], port, environment, key="")

    def litellm(self, program: LiteLLM, name: str, redis: str = "") -> Contestant:
        port = choose_port(0, "")
        config = program.configure(self.folder / f"{name}.yaml", self.backend, redis)
        argv = [str(program.command), "--config", str(config), "--port", str(port)]
        return self._start(name, argv, port, program.environment, key="sk-benchmark")

    def redis(self) -> str:
        """A Redis of our own, on the load's core: it stands for another machine."""
        port = choose_port(0, "")
        argv = ["redis-server", "--port", str(port), "--save", "", "--dir", str(self.folder)]
        silent = subprocess.DEVNULL
        child = subprocess.Popen(["taskset", "-c", LOAD_CORE, *argv], stdout=silent)
        self.stack.callback(child.wait)
        self.stack.callback(child.terminate)
        time.sleep(0.5)
        return f"redis://127.0.0.1:{port}/0"

    def _start(
        self, name: str, argv: list[str], port: int, env: Mapping[str, str], *, key: str
    ) -> Contestant:
        url = f"http://127.0.0.1:{port}"
        pid = self.stack.enter_context(running(argv, GATEWAY_CORE, f"{url}/health/live", env))
        return Contestant(name, url + PATH, pid, key)


def _found_in(modules: Path | None) -> str:
    """Where children look for ours, in the given modules first, and for the benchmarks."""
    return os.pathsep.join(str(folder) for folder in (modules, ROOT) if folder)


@contextmanager
def backend() -> Generator[str]:
    """The stand-in for engines, on the load's core."""
    port = choose_port(0, "")
    argv = [sys.executable, "-m", "benchmarks.gateway.backend", str(port)]
    url = f"http://127.0.0.1:{port}"
    # It answers POST only in form; any answer to GET says that it runs.
    with running(argv, LOAD_CORE, url):
        yield url
