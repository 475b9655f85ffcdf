"""How well memory is predicted, and whether an unload gives it back.

  python -m benchmarks.memory                 the table: estimated and measured, each model
  python -m benchmarks.memory --cycles 100    load and unload again and again

A measurement is the engine's resident memory after full batches on all its slots. "before" is the
error of the estimate from the file alone; "after" that of the estimate which has seen one load of
the same model at another context.
"""

import argparse
import asyncio
import gc
import random
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from benchmarks.memory_models import BenchModel, kinds
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, ModelFacts, ModelVersion, StoredFile
from modelyard.registry.database import Database
from modelyard.registry.fleet.memory_observations import MemoryObservations, Observation
from modelyard.registry.logs import set_up
from modelyard.registry.migrate import migrate
from modelyard.registry.store import Store
from modelyard.serving.engines.footprint import Footprint
from modelyard.serving.worker.activity import ActivityReader
from modelyard.serving.worker.devices.cpu import Cpu
from modelyard.serving.worker.devices.device import Device
from modelyard.serving.worker.devices.telemetry import Telemetry
from modelyard.serving.worker.residency.correction import corrected
from modelyard.serving.worker.residency.engine_process import EngineStarter
from modelyard.serving.worker.residency.forecast import Forecast, Forecaster, attributed
from modelyard.serving.worker.residency.launch import Launch
from modelyard.serving.worker.residency.residency import Residency
from modelyard.serving.worker.residency.resident import Resident
from modelyard.serving.worker.residency.versions import RegisteredVersions

TOKEN = "t" * 32
BEFORE = 0.15
AFTER = 0.05
RETURNED = 0.05
SETTINGS = {Format.GGUF: ((512, 2), (2048, 4)), Format.ONNX: ((128, 1), (0, 2))}
"""(context length, requests at once); of an ONNX model: lanes."""

PROMPT = 540
"""Tokens: more than a batch, so that everything reserved for one is touched."""


@dataclass(frozen=True, slots=True)
class MemoryLoad:
    """One model at one context: predicted, and resident at work."""

    name: str
    setting: tuple[int, int]
    forecast: Forecast
    told: Footprint
    held: int

    @property
    def observation(self) -> Observation:
        measured = attributed(self.forecast.estimated, self.told, self.held)
        estimated = self.forecast.estimated.as_json()
        return Observation(self.forecast.likeness, estimated, measured.as_json())


@dataclass(frozen=True, slots=True)
class MemoryBench:
    """A catalog and a store in a folder that goes, and the residency of a device over them."""

    catalog: Catalog
    store: Store
    session: aiohttp.ClientSession

    device: Device

    async def residency(self, context_length: int, parallel: int) -> Residency:
        telemetry = await Telemetry.open(self.device)
        layers = -1 if self.device.is_gpu else 0
        return Residency(
            versions=RegisteredVersions(self.catalog, self.store),
            launch=Launch(
                "127.0.0.1", TOKEN, context_length, parallel, parallel, layers, drain_s=1.0
            ),
            forecaster=Forecaster(MemoryObservations(self.catalog.db), telemetry.facts.kind),
            starter=EngineStarter(300.0, self.device.environment),
            telemetry=telemetry,
            reader=ActivityReader(self.session),
            memory_fraction=0.95,
            changed=lambda: None,
        )

    def register(self, kind: BenchModel, main: Path) -> ModelVersion:
        beside = [main] if kind.format is Format.GGUF else [main, *_others(main)]
        stored = [(file.name, self.store.put(file)) for file in beside]
        return self.catalog.register(
            name=kind.name,
            repo=kind.name,
            revision="0" * 40,
            facts=ModelFacts(kind.format, kind.architecture, kind.quantization),
            files=[StoredFile(path, s.sha256, s.size) for path, s in stored],
            metrics={},
        )


def _others(main: Path) -> list[Path]:
    return sorted(file for file in main.parent.iterdir() if file != main)


@asynccontextmanager
async def memory_bench(device: Device | None = None) -> AsyncGenerator[tuple[MemoryBench, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database.connect(f"sqlite:///{folder}/bench.db")
        migrate(database)
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            store = Store(Path(folder) / "store", 10**11)
            yield MemoryBench(Catalog(database), store, session, device or Cpu()), Path(folder)
        database.close()


async def load(made: MemoryBench, version: ModelVersion, setting: tuple[int, int]) -> MemoryLoad:
    """Load it, work it to the full, see what it holds, unload it."""
    residency = await made.residency(*setting)
    resident = await residency.ensure(version.id)
    process = await resident.ready()
    await work(made.session, resident, setting)
    held = residency.telemetry.device.facts().memory_of(process.pid)
    if held is None:  # a card that does not tell, or a process of another container
        held = resident.memory
    await residency.close()
    return MemoryLoad(version.model, setting, resident.forecast, process.ready.footprint, held)


async def work(
    session: aiohttp.ClientSession, resident: Resident, setting: tuple[int, int]
) -> None:
    gguf = resident.config.format == Format.GGUF
    asks = _texts(*setting) if gguf else _inputs(resident.config.model_name)
    url = (await resident.ready()).ready.url
    for _ in range(2):
        await asyncio.gather(*(_post(session, f"{url}{path}", body) for path, body in asks))


def _texts(context_length: int, parallel: int) -> list[tuple[str, dict[str, Any]]]:
    """Long prompts on every slot; one of them is scored token by token."""
    length = min(PROMPT, context_length - 16)
    draw = random.Random(0)
    prompts = [[draw.randrange(900) for _ in range(length)] for _ in range(parallel)]
    asks: list[dict[str, Any]] = [
        {"model": "m", "prompt": prompt, "max_tokens": 8, "temperature": 0.8} for prompt in prompts
    ]
    asks[0] |= {"echo": True, "logprobs": 1}
    return [("/v1/completions", ask) for ask in asks]


def _inputs(name: str) -> list[tuple[str, dict[str, Any]]]:
    path = "/v1/classify" if "classifier" in name else "/v1/embeddings"
    return [(path, {"input": ["def " * 2000] * 4, "truncate": True}) for _ in range(4)]


async def _post(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> None:
    async with session.post(url, json=body) as answer:
        if answer.status != 200:
            sys.exit(f"{url}: {await answer.text()}")


async def table(wanted: str) -> bool:
    """Print it; whether every bar holds."""
    loads: list[MemoryLoad] = []
    async with memory_bench() as (made, folder):
        for kind in kinds():
            if wanted not in kind.name:
                continue
            version = made.register(kind, kind.write(folder))
            loads += [await load(made, version, setting) for setting in SETTINGS[kind.format]]
    return report(loads)


def report(loads: Sequence[MemoryLoad]) -> bool:
    heads = "model", "context x n", "estimate", "measured", "before", "after"
    print(f"{heads[0]:18}{heads[1]:>12}{heads[2]:>12}{heads[3]:>12}{heads[4]:>9}{heads[5]:>9}")
    errors = [_row(seen, other) for seen in loads for other in loads if _is_like(seen, other)]
    before, after = (max(abs(error) for error in each) for each in zip(*errors, strict=True))
    models = len({seen.name for seen in loads})
    print(f"{models} models, {len(errors)} loads; largest error before any load {before:.1%}, ")
    print(f"after one of the same model {after:.1%}   bars: <= {BEFORE:.0%}, <= {AFTER:.0%}")
    return before <= BEFORE and after <= AFTER


def _is_like(seen: MemoryLoad, other: MemoryLoad) -> bool:
    return seen.name == other.name and seen.setting != other.setting


def _row(seen: MemoryLoad, other: MemoryLoad) -> tuple[float, float]:
    estimate = seen.forecast.estimated
    learned = corrected(estimate, seen.forecast.likeness, [other.observation])
    before, after = (found.total / seen.held - 1 for found in (estimate, learned))
    setting = f"{seen.setting[0] or 'own'} x {seen.setting[1]}"
    sizes = "".join(f"{size / 2**20:>8.1f} MiB" for size in (estimate.total, seen.held))
    print(f"{seen.name:18}{setting:>12}{sizes}{before:>+9.1%}{after:>+9.1%}", flush=True)
    return before, after


async def cycles(count: int) -> bool:
    """Load and unload `count` times; whether this worker's memory is as after the first."""
    worker = psutil.Process()
    async with memory_bench() as (made, folder):
        kind = next(kinds())
        version = made.register(kind, kind.write(folder))
        residency = await made.residency(*SETTINGS[kind.format][0])
        sizes: list[int] = []
        for number in range(count):
            await residency.ensure(version.id)
            await residency.unload(version.id)
            gc.collect()
            sizes.append(worker.memory_info().rss)
            if number % 10 == 0 or number == count - 1:
                print(f"cycle {number + 1:>4}: {sizes[-1] / 2**20:.1f} MiB", flush=True)
        left = [child.pid for child in worker.children(recursive=True)]
    growth = sizes[-1] / sizes[0] - 1
    print(f"after {count} cycles {growth:+.1%} of the first; engines left: {len(left)}")
    print(f"bar: within {RETURNED:.0%}, none left")
    return abs(growth) <= RETURNED and not left


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=0, help="load and unload so often instead")
    parser.add_argument("--only", default="", help="models with this in their names")
    given = parser.parse_args()
    set_up(level="critical")  # what is measured is printed; what is logged would be in the way
    held = asyncio.run(cycles(given.cycles) if given.cycles else table(given.only))
    sys.exit(0 if held else "a bar does not hold")
