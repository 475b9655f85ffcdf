"""Idle KV goes to disk and comes back: the same answers, for its tenant alone, within bounds."""

import asyncio
import os
import random
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from modelyard.serving.engines.generation import Finish, Generation
from modelyard.serving.engines.llama_cpp.engine import LlamaEngine
from modelyard.serving.engines.llama_cpp.kv.costs import LearnedCosts
from modelyard.serving.engines.llama_cpp.kv.slot import Sequence
from modelyard.serving.engines.llama_cpp.speed import Speed
from tests.serving.engines.llama_cpp.serial_oracle import (
    GREEDY,
    FreeFiles,
    PlayedRequest,
    Serial,
    engine_on,
    play,
)
from tests.serving.engines.processes import engine_process

ROOM = 64 * 2**20
_numbers = count()


@contextmanager
def spilling(path: Path, **given: Any) -> Generator[LlamaEngine]:
    with engine_on(path, **({"spill_bytes": ROOM} | given)) as engine:
        engine.scheduler.cache.spill.costs = FreeFiles()
        yield engine


def _prompt(length: int, seed: int) -> tuple[int, ...]:
    draw = random.Random(seed)
    return tuple(draw.randrange(1000) for _ in range(length))


def _reused(engine: LlamaEngine, tenant: str, prompt: tuple[int, ...]) -> int:
    async def one() -> int:
        generation = Generation(prompt, 4, (), GREEDY, tenant=tenant)
        sequence = Sequence(generation, next(_numbers), asyncio.get_running_loop())
        engine.scheduler.submit(sequence)
        while not isinstance(news := await sequence.mailbox.get(), Finish):
            assert isinstance(news, int), news
        return sequence.reused

    return asyncio.run(one())


@pytest.mark.parametrize("unified", [False, True])
def test_what_was_pushed_out_comes_back_and_answers_the_same(
    endless: Path, *, unified: bool
) -> None:
    """Ten conversations take turns on two slots; each is continued from its file."""
    first = [PlayedRequest(_prompt(90 + i, i), limit=20) for i in range(10)]
    with spilling(endless, parallel=2, kv_unified=unified) as engine:
        answers = [play(engine, [part])[0] for part in first]
        again = [
            PlayedRequest((*part.prompt, *answer, *_prompt(5, 99)), limit=20)
            for part, answer in zip(first, answers, strict=True)
        ]
        before = engine.snapshot()
        second = [play(engine, [part])[0] for part in again]
        seen = engine.snapshot()
    assert before.spilled >= 8
    assert seen.restored >= 8
    assert seen.cached_tokens - before.cached_tokens >= 10 * (90 + 19)
    Serial(endless).check(first + again, answers + second)


def test_a_file_is_never_lent_to_another_tenant(tiny_f32: Path) -> None:
    """What ada's prompt left on disk serves ada again, and bob not at all."""
    with spilling(tiny_f32, parallel=1) as engine:
        assert _reused(engine, "ada", _prompt(100, 1)) == 0
        assert _reused(engine, "bob", _prompt(100, 2)) == 0
        assert _reused(engine, "bob", _prompt(100, 1)) == 0
        assert engine.snapshot().restored == 0
        assert _reused(engine, "ada", _prompt(100, 1)) == 99


def test_the_bound_is_kept_and_the_oldest_file_leaves(tiny_f32: Path) -> None:
    """Room for three prompts: the fourth takes the place of the one used longest ago."""
    with spilling(tiny_f32, parallel=1, spill_bytes=100_000) as engine:
        for seed in range(6):
            _reused(engine, "", _prompt(100, seed))
            assert engine.snapshot().spilled_bytes <= 100_000
        assert len(engine.scheduler.cache.spill.kept) == 3
        assert _reused(engine, "", _prompt(100, 2)) == 99
        assert _reused(engine, "", _prompt(100, 0)) == 0


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_file_is_a_miss(endless: Path, damage: str) -> None:
    """llama.cpp would abort on it: it is never shown to it, and the prompt is computed."""
    part = PlayedRequest(_prompt(100, 1), limit=20)
    with spilling(endless, parallel=1) as engine:
        play(engine, [part, PlayedRequest(_prompt(100, 2), limit=4)])
        play(engine, [PlayedRequest(_prompt(50, 3), limit=4)])
        spill = engine.scheduler.cache.spill
        for spilled in spill.kept:
            if damage == "cut":
                os.ftruncate(spilled.file.fileno(), spilled.size - 1)
            else:
                os.pwrite(spilled.file.fileno(), b"\xff" * 8, spilled.size // 2)
        answers = play(engine, [part])
        assert engine.snapshot().restored == 0
    Serial(endless).check([part], answers)


def test_a_folder_that_takes_no_file_costs_nothing_but_the_cache(endless: Path) -> None:
    """Where no file can be made the engine answers as it would without."""
    parts = [PlayedRequest(_prompt(100, i), limit=8) for i in range(4)]
    with spilling(endless, parallel=1, spill_folder="/proc/nowhere") as engine:
        answers = play(engine, parts)
        assert engine.snapshot().spilled == 0
    Serial(endless).check(parts, answers)


def test_an_engine_at_rest_saves_what_the_next_prompt_pushes_out(tiny_f32: Path) -> None:
    """Written while nobody waits: and only where no slot is empty."""
    with spilling(tiny_f32, parallel=2, spill_after_s=0.05) as engine:
        _reused(engine, "", _prompt(100, 1))
        _wait(engine, 0)
        _reused(engine, "", _prompt(100, 2))
        _wait(engine, 2)


def _wait(engine: LlamaEngine, files: int) -> None:
    """Until there are so many files; for none, a moment in which one could be made."""
    deadline = time.monotonic() + (60 if files else 0.2)
    while time.monotonic() < deadline and not (files and engine.snapshot().spilled == files):
        time.sleep(0.02)
    assert engine.snapshot().spilled == files


def test_files_have_no_name_and_go_with_the_engine(tiny_f32: Path, tmp_path: Path) -> None:
    """Nobody else can open them; closing the engine gives the disk back."""
    folder = tmp_path / "spill"
    with spilling(tiny_f32, parallel=1, spill_folder=str(folder)) as engine:
        for seed in range(3):
            _reused(engine, "", _prompt(100, seed))
        kept = engine.scheduler.cache.spill.kept
        files = [spilled.file for spilled in kept]
        assert len(files) == 2
        assert [*folder.iterdir()] == []
        assert folder.stat().st_mode & 0o777 == 0o700
    assert all(file.closed for file in files)


def test_a_killed_engine_leaves_nothing(slow: Path, tmp_path: Path) -> None:
    """The kernel takes the files of a process that was killed: nothing is there to sweep."""
    given = {"spill_bytes": ROOM, "spill_folder": str(tmp_path / "spill"), "parallel": 1}
    with engine_process(format="gguf", path=str(slow), **given) as engine:
        for word in ("one ", "two ", "three "):
            body = {"model": "m", "prompt": word * 100, "max_tokens": 1}
            with engine.http() as http:
                http.post("/v1/completions", json=body).raise_for_status()
        assert engine.state()["spilled"] == 2
        held = subprocess.run(
            ["ls", "-l", f"/proc/{engine.process.pid}/fd"], capture_output=True, check=True
        )
        assert held.stdout.count(str(tmp_path / "spill").encode()) == 2
        engine.process.kill()
        engine.process.wait()
        assert [*(tmp_path / "spill").iterdir()] == []


def test_files_are_used_only_where_they_are_cheaper_than_computing() -> None:
    """A model that reads 1000 tokens a second waits 0.1 s for 100; a disk may be slower."""
    costs = LearnedCosts(Speed(prefill_tps=1000))
    assert costs.worth_saving(100, 10**7)
    assert not costs.worth_saving(16, 10**3)
    assert not costs.worth_saving(100, 10**8)
    assert costs.worth_loading(100, 9 * 10**7)
    assert not costs.worth_loading(100, 2 * 10**8)
    for _ in range(100):
        costs.loaded(10**8, 0.01)
    assert costs.worth_loading(100, 2 * 10**8)
    assert not LearnedCosts(Speed()).worth_saving(1000, 1)
