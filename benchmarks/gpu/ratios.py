"""Speed beside the peers on the same device: one `Llama` after the other, llama.cpp's server."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import httpx2

from benchmarks.gpu.engine import kinds, speed
from benchmarks.gpu.report import GpuReport
from benchmarks.memory import memory_bench
from modelyard.registry.process.ports import choose_port
from modelyard.serving.worker.devices.device import Device

AT_ONCE = (1, 4, 8, 16)
TOKENS = 64
ROUNDS = 3
CONTEXT = 256
SERIAL = """
import json, sys, time
from llama_cpp import Llama
path, layers, count, tokens = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
model = Llama(path, n_ctx=256, n_gpu_layers=layers, verbose=False)
prompts = [[(n * 37 + i * 11) % 900 for i in range(64)] for n in range(count)]
def run():
    begun = time.perf_counter()
    for prompt in prompts:
        model.create_completion(prompt, max_tokens=tokens, temperature=0)
    return count * tokens / (time.perf_counter() - begun)
run()
print(json.dumps(run()))
"""


async def check(report: GpuReport, device: Device) -> None:
    """Tokens a second at 1 to 16 requests at once, and the ratios to the peers."""
    report.section("Speed")
    kind = kinds(on_gpu=device.is_gpu)[-1]
    layers = -1 if device.is_gpu else 0
    async with memory_bench(device) as (made, folder):
        path = kind.write(folder)
        version = made.register(kind, path)
        residency = await made.residency(CONTEXT, max(AT_ONCE))
        process = await (await residency.ensure(version.id)).ready()
        ours = [await _best(made.session, process.ready.url, n) for n in AT_ONCE]
        await residency.close()
        report.table(("requests at once", *AT_ONCE), [("tokens/s", *(f"{s:.0f}" for s in ours))])
        serial = _serial(path, layers, device)
        ratio = ours[2] / serial
        report.check("beats serial Llama at 8", holds=ratio > 1, seen=f"{ratio:.2f} times")
        await _against_server(report, made.session, path, layers, ours=ours)


async def _best(session: aiohttp.ClientSession, url: str, at_once: int) -> float:
    return statistics.median([await speed(session, url, at_once, TOKENS) for _ in range(ROUNDS)])


def _serial(path: Path, layers: int, device: Device) -> float:
    command = [sys.executable, "-c", SERIAL, str(path), str(layers), "8", str(TOKENS)]
    environment = {**os.environ, **device.environment}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(said.stdout.splitlines()[-1]))


async def _against_server(
    report: GpuReport, session: aiohttp.ClientSession, path: Path, layers: int, *, ours: list[float]
) -> None:
    program = os.environ.get("LLAMA_SERVER") or shutil.which("llama-server")
    if program is None:
        report.note("llama-server is not on the PATH (or in LLAMA_SERVER): not seen.")
        return
    with _server(program, path, layers) as url:
        peers = [await _best(session, url, n) for n in AT_ONCE]
    ratios = [mine / theirs for mine, theirs in zip(ours, peers, strict=True)]
    report.table(("ours / llama-server", *AT_ONCE), [("ratio", *(f"{r:.2f}" for r in ratios))])
    report.check("is no slower than llama-server", holds=min(ratios) >= 1.0)


@contextmanager
def _server(program: str, path: Path, layers: int) -> Generator[str]:
    port = choose_port(0, "")
    slots = max(AT_ONCE)
    wanted = {"-m": path, "--port": port, "-np": slots, "-c": CONTEXT * slots, "-ngl": layers}
    flags = [str(part) for pair in wanted.items() for part in pair]
    with subprocess.Popen([program, *flags], stderr=subprocess.DEVNULL) as process:
        try:
            _until_up(f"http://127.0.0.1:{port}/health")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _until_up(url: str, within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    with httpx2.Client(trust_env=False) as client:
        while time.monotonic() < deadline:
            try:
                if client.get(url).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.2)
    sys.exit("llama-server does not start")
