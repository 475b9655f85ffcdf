"""One case on one server: played by a client process, checked, and put into numbers."""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.engine.cases import EngineCase
from benchmarks.engine.client import EngineLoad, Played
from benchmarks.engine.servers import BenchServer

_CLIENT = [sys.executable, "-m", "benchmarks.engine.client"]


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """Tokens written a second over all clients; 95th percentiles in milliseconds."""

    tokens_per_s: float
    first_p95_ms: float
    between_p95_ms: float


def measure(
    server: BenchServer, case: EngineCase, words: Sequence[str], seed: str
) -> EngineFigures:
    """Raises RuntimeError where a server did other work than was asked for."""
    bodies = case.bodies(words, seed)
    limits = sorted(body["max_tokens"] for body in bodies)
    load = EngineLoad(server.host, server.port, case.path, server.token, case.concurrency, bodies)
    found = _play(load)
    _check(server, case, found, limits)
    return EngineFigures(
        sum(limits) / found.seconds, _p95_ms(found.first_s), _p95_ms(found.between_s)
    )


def engine_state(server: BenchServer) -> dict[str, Any]:
    """What our engine says of itself."""
    headers = {"Authorization": f"Bearer {server.engine_token}"}
    return httpx2.get(f"{server.engine_url}/state", headers=headers, trust_env=False).json()


def _play(load: EngineLoad) -> Played:
    ran = subprocess.run(
        _CLIENT, input=json.dumps(asdict(load)) + "\n", stdout=subprocess.PIPE, text=True,
        check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    return Played(**json.loads(ran.stdout))


def _check(server: BenchServer, case: EngineCase, found: Played, limits: list[int]) -> None:
    written = sorted(found.output_tokens)
    read = set(found.prompt_tokens)
    if written not in ([], limits) or not (case.chat or read <= {case.prompt_tokens}):
        raise RuntimeError(f"{server.name}, {case.name}: read {read}, wrote {written} tokens")


def _p95_ms(seconds: Sequence[float]) -> float:
    if len(seconds) < 2:
        return seconds[0] * 1e3
    return statistics.quantiles(seconds, n=20, method="inclusive")[18] * 1e3
