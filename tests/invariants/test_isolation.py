"""Engines die under load; whoever talks to another engine notices nothing, and nobody is lost."""

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile
from modelyard.registry.fleet.fleet import EngineState, Fleet
from tests.invariants.concurrent_callers import ConcurrentCallers, End, FinishedRequest
from tests.models.tiny import Tiny
from tests.serving.installation import Installation, open_installation
from tests.serving.processes import environment, gateway_process, worker_process

pytestmark = pytest.mark.slow
MODELS = ("a/first", "a/second", "a/third")
NOTICE_S = 10.0
"""Seconds around a death in which the gateway and the worker may learn of it."""


@dataclass(frozen=True, slots=True)
class Kill:
    """An engine's end by SIGKILL."""

    model: str
    at: float


def add_models(installation: Installation, folder: Path) -> dict[str, str]:
    """Three real models that never end by themselves; names by version id."""
    names: dict[str, str] = {}
    for seed, name in enumerate(MODELS):
        file = Tiny(endless=True, seed=seed).write(folder / f"{seed}.gguf")
        stored = installation.filled.store.put(file)
        version = installation.filled.catalog.register(
            name=name,
            repo=name,
            revision="0" * 40,
            facts=ModelFacts(Format.GGUF, "llama", context_length=512),
            files=[StoredFile("model.gguf", stored.sha256, stored.size)],
            metrics={},
        )
        names[version.id] = name
    return names


async def until_there(fleet: Fleet) -> None:
    """A gateway that starts before its worker has registered refuses everybody."""
    async with asyncio.timeout(120):
        while not fleet.workers():
            await asyncio.sleep(0.05)


async def kill_some(
    fleet: Fleet, names: dict[str, str], count: int, draw: random.Random
) -> list[Kill]:
    """End `count` engines that are ready, one after the other, at random moments."""
    kills: list[Kill] = []
    while len(kills) < count:
        await asyncio.sleep(draw.uniform(0.3, 1.2))
        ready = [e for e in fleet.engines() if e.state is EngineState.READY and e.pid]
        if not ready:
            continue
        engine = draw.choice(ready)
        try:
            os.kill(engine.pid or 0, signal.SIGKILL)
        except ProcessLookupError:
            continue  # its row is about to say so
        kills.append(Kill(names[engine.version_id], time.monotonic()))
    return kills


def touched(request: FinishedRequest, kills: list[Kill]) -> bool:
    """Whether the request's own model died while it was under way, or just before."""
    return any(
        kill.model == request.model and request.begun - NOTICE_S <= kill.at <= request.over
        for kill in kills
    )


def routed_again(request: FinishedRequest, kills: list[Kill]) -> bool:
    """Whether its engine died while it waited for its first word, and it was answered whole."""
    until = request.first or request.over
    died = any(k.model == request.model and request.begun < k.at < until for k in kills)
    return died and request.end is End.WHOLE


@pytest.mark.timeout(1500)
async def test_killed_engines_break_nobody_elses_streams(
    sqlite_url: str, tmp_path: Path, full_length: int
) -> None:
    """Every request is answered or told; only those of a model that died may be told an error."""
    count = 50 if full_length > 1 else 4
    env = environment(tmp_path, sqlite_url) | {
        "MODELYARD_WORKER_HEARTBEAT_S": "0.5",
        "MODELYARD_WORKER_ALIVE_S": "600",
        "MODELYARD_THREADS": "1",
    }
    with open_installation(sqlite_url, tmp_path) as installation:
        names = add_models(installation, tmp_path)
        with ExitStack() as stack:
            stack.enter_context(worker_process(env))
            await until_there(installation.fleet)
            gateway = stack.enter_context(gateway_process(env, tmp_path))
            callers = ConcurrentCallers(gateway.url, installation.ada, MODELS, callers=3, tokens=40)
            running = asyncio.create_task(callers.run())
            kills = await kill_some(installation.fleet, names, count, random.Random(7))
            await asyncio.sleep(3)
            callers.leaving.set()
            await running
    ends = Counter(request.end for request in callers.ended)
    again = sum(routed_again(request, kills) for request in callers.ended)
    sys.stderr.write(f"{len(kills)} kills, {dict(ends)}, routed again {again}\n")
    assert [r for r in callers.ended if r.end is End.LOST] == []
    assert [r for r in callers.ended if r.end is End.TOLD and not touched(r, kills)] == []
    assert all(any(r.end is End.WHOLE for r in callers.ended if r.model == m) for m in MODELS)
    if full_length > 1:
        assert again > 0
