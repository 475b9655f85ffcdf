"""The servers that are compared: each a process on one model with the same shape and threads."""

import json
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from benchmarks.engine.llama_server import llama_server
from benchmarks.environments import environment
from tests.serving.engines.processes import TOKEN, engine_process

_XLLAMACPP = """
import json, sys, time
import xllamacpp
s = json.loads(sys.argv[1])
p = xllamacpp.CommonParams()
p.model.path, p.hostnames, p.port = s["model"], ["127.0.0.1"], s["port"]
p.n_parallel, p.n_ctx = s["parallel"], s["parallel"] * s["context"]
p.n_batch = p.n_ubatch = s["batch"]
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = s["threads"]
p.cache_ram_mib, p.kv_unified, p.use_jinja = 0, False, True
server = xllamacpp.Server(p)
while True:
    time.sleep(60)
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """What all servers are given: `context` tokens for each of `parallel` requests."""

    cache: Path
    model: Path
    threads: int = 1
    parallel: int = 16
    context: int = 1024
    batch: int = 512


@dataclass(frozen=True, slots=True)
class BenchServer:
    """A server that answers; ours knows where its engine's own state is."""

    name: str
    host: str
    port: int
    token: str = ""
    engine_url: str = ""
    engine_token: str = ""


@contextmanager
def ours(setup: Setup) -> Generator[BenchServer]:
    """Our engine process, started as a worker starts it."""
    given = {
        "format": "gguf", "path": str(setup.model), "threads": setup.threads,
        "context_length": setup.context, "parallel": setup.parallel, "batch": setup.batch,
    }  # fmt: skip
    with engine_process(**given) as engine:
        host, port = engine.url.removeprefix("http://").split(":")
        yield BenchServer("ours", host, int(port), TOKEN, engine.url, TOKEN)


@contextmanager
def theirs(setup: Setup) -> Generator[BenchServer]:
    """llama-server, its prompt cache in RAM off as ours has none; prefixes in slots are reused."""
    port = _free_port()
    shape = ["-np", setup.parallel, "-c", setup.parallel * setup.context, "--no-kv-unified"]
    pace = ["-b", setup.batch, "-ub", setup.batch, "-t", setup.threads, "-tb", setup.threads]
    program = [llama_server(setup.cache), "-m", setup.model, "--port", port, "-fa", "auto"]
    rest = ["--cache-ram", 0, "--jinja", "--no-ui"]
    with _process("llama-server", [*program, *shape, *pace, *rest], port, setup.cache) as server:
        yield server


@contextmanager
def xllamacpp(setup: Setup) -> Generator[BenchServer]:
    """llama.cpp's server inside a Python package, at that package's own version of llama.cpp."""
    port = _free_port()
    python = environment(setup.cache, "xllamacpp", ["xllamacpp==2026.10.11549"])
    given = {
        "model": str(setup.model), "port": port, "parallel": setup.parallel,
        "context": setup.context, "batch": setup.batch, "threads": setup.threads,
    }  # fmt: skip
    program = [python, "-c", _XLLAMACPP, json.dumps(given)]
    with _process("xllamacpp", program, port, setup.cache) as server:
        yield server


@contextmanager
def llama_cpp_server(setup: Setup) -> Generator[BenchServer]:
    """llama-cpp-python's own server, on the very library we use."""
    port = _free_port()
    more = ["sse-starlette", "starlette-context", "pydantic-settings"]
    python = environment(setup.cache, "llama_cpp_server", more, over_ours=True)
    program = [python, "-m", "llama_cpp.server", "--model", setup.model]
    address = ["--host", "127.0.0.1", "--port", port]  # its own default may be another one
    shape = ["--n_ctx", setup.context, "--n_batch", setup.batch, "--n_ubatch", setup.batch]
    # Off by default: without it a second stream cuts the first one short.
    pace = ["--n_threads", setup.threads, "--n_threads_batch", setup.threads, "--flash_attn",
            "true", "--interrupt_requests", "false", "--verbose", "false"]  # fmt: skip
    with _process(
        "llama_cpp.server", [*program, *address, *shape, *pace], port, setup.cache
    ) as server:
        yield server


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _process(
    name: str, program: Sequence[object], port: int, cache: Path
) -> Generator[BenchServer]:
    log = (cache / f"{name}.log").open("wb")
    with log, subprocess.Popen([str(word) for word in program], stdout=log, stderr=log) as process:
        try:
            _wait(name, process, port, Path(log.name))
            yield BenchServer(name, "127.0.0.1", port)
        finally:
            process.kill()


def _wait(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it lists its model: llama-server listens before it has loaded."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx2.get(f"http://127.0.0.1:{port}/v1/models", trust_env=False).raise_for_status()
        except httpx2.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{name} did not start: {log.read_text(errors='replace')[-500:]}")
