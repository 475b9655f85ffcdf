"""Engines on the device: memory as predicted, tokens as on the processor, and given back."""

import asyncio
import itertools
import time
from typing import Any

import aiohttp

from benchmarks.gpu.report import GpuReport
from benchmarks.memory import AFTER, BEFORE, MemoryBench, MemoryLoad, load, memory_bench
from benchmarks.memory_models import BenchModel
from modelyard.registry.catalog.model import ModelVersion
from modelyard.serving.engines.llama_cpp.trial.trial import try_library
from modelyard.serving.worker.devices.cpu import Cpu
from modelyard.serving.worker.devices.device import Device
from modelyard.serving.worker.residency.correction import corrected
from tests.models.shapes import ModelShape

SETTINGS = ((512, 2), (2048, 4))
PROMPTS = 8
TOKENS = 32
ALL_LAYERS = 99
RETURNED = 64 << 20
"""Bytes that a card's memory may differ by after an unload: other programs use it, too."""

LARGE: dict[str, Any] = {"width": 2048, "layers": 16, "heads": 16, "kv_heads": 8, "inner": 5632}
SMALL: dict[str, Any] = {"width": 512, "layers": 4, "heads": 8, "kv_heads": 4, "inner": 1536}


def kinds(*, on_gpu: bool) -> list[BenchModel]:
    """A gigabyte and a half of weights and less; on a processor models that it can run, too."""
    sizes = LARGE if on_gpu else SMALL
    return [
        BenchModel("f32", ModelShape(endless=True, **sizes)),
        BenchModel("f16", ModelShape(half=True, endless=True, **sizes)),
        BenchModel("q4-k-m", ModelShape(half=True, endless=True, **sizes), "Q4_K_M"),
    ]


def check_results(report: GpuReport, device: Device) -> None:
    """A model of known answers in every quantization, with all its layers on the device."""
    report.section("Engines: known results")
    layers = ALL_LAYERS if device.is_gpu else 0
    trial = try_library(environment=device.environment, gpu_layers=layers)
    report.check("known results are computed", holds=trial.works, seen=str(trial))


async def check(report: GpuReport, device: Device) -> None:
    """Memory and its return, then the same greedy answers as the processor's."""
    report.section("Engines: memory")
    every = kinds(on_gpu=device.is_gpu)
    mine = dict[str, list[str]]()
    async with memory_bench(device) as (made, folder):
        for kind in every:
            version = made.register(kind, kind.write(folder))
            await _memory(report, made, version)
            mine[kind.name] = await _greedy(made, version)
    report.section("Engines: greedy answers against the processor's")
    async with memory_bench(Cpu()) as (made, folder):
        for kind in every:
            version = made.register(kind, kind.write(folder))
            _compare(report, kind, mine[kind.name], await _greedy(made, version))


def _compare(report: GpuReport, kind: BenchModel, mine: list[str], reference: list[str]) -> None:
    """Quantized weights meet differently rounded activations on a card: told, not demanded."""
    same = sum(a == b for a, b in zip(mine, reference, strict=True))
    seen = f"{same} of {PROMPTS} answers of {TOKENS} tokens are the same"
    if kind.quantization:
        report.note(f"{kind.name}: {seen}")
    else:
        report.check(kind.name, holds=same == PROMPTS, seen=seen)


async def _memory(report: GpuReport, made: MemoryBench, version: ModelVersion) -> None:
    before = made.device.facts().memory_used or 0
    loads = [await load(made, version, setting) for setting in SETTINGS]
    for seen, other in itertools.permutations(loads, 2):
        _predicted(report, seen, other)
    left = (made.device.facts().memory_used or 0) - before
    if made.device.is_gpu:  # of a processor's memory other programs take and give much more
        said = f"{left / 2**20:+.0f} MiB"
        report.check(f"{version.model} is given back", holds=left <= RETURNED, seen=said)


def _predicted(report: GpuReport, seen: MemoryLoad, other: MemoryLoad) -> None:
    estimate = seen.forecast.estimated
    learned = corrected(estimate, seen.forecast.likeness, [other.observation])
    before, after = (found.total / seen.held - 1 for found in (estimate, learned))
    what = f"{seen.name} at {seen.setting[0]} x {seen.setting[1]} is predicted"
    numbers = f"{seen.held / 2**20:.0f} MiB; before {before:+.1%}, after one load {after:+.1%}"
    report.check(what, holds=abs(before) <= BEFORE and abs(after) <= AFTER, seen=numbers)


async def _greedy(made: MemoryBench, version: ModelVersion) -> list[str]:
    residency = await made.residency(*SETTINGS[0])
    url = (await (await residency.ensure(version.id)).ready()).ready.url
    answers = await asyncio.gather(*(ask(made.session, url, n) for n in range(PROMPTS)))
    await residency.close()
    return answers


async def ask(session: aiohttp.ClientSession, url: str, number: int, tokens: int = TOKENS) -> str:
    """A greedy answer to a prompt of its own."""
    body = {
        "model": "m",
        "prompt": [(number * 37 + i * 11) % 900 for i in range(64)],
        "max_tokens": tokens,
        "temperature": 0,
    }
    async with session.post(f"{url}/v1/completions", json=body) as answer:
        answer.raise_for_status()
        return str((await answer.json())["choices"][0]["text"])


async def speed(session: aiohttp.ClientSession, url: str, at_once: int, tokens: int) -> float:
    """Tokens a second of `at_once` answers of `tokens` tokens."""
    begun = time.perf_counter()
    await asyncio.gather(*(ask(session, url, n, tokens) for n in range(at_once)))
    return at_once * tokens / (time.perf_counter() - begun)
