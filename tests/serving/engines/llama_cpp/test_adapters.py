"""LoRA adapters: the answer is that of merged weights, whatever runs beside and before."""

import hashlib
import random
import shutil
from collections.abc import Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.registry.errors import FileMissing
from modelyard.serving.engines.generation import GenerationRequest
from modelyard.serving.engines.llama_cpp.engine import LlamaEngine
from modelyard.serving.errors import ModelUnloadable
from tests.models.tiny import Tiny
from tests.models.tiny_lora import TinyLora
from tests.serving.engines.llama_cpp.serial_oracle import PlayedRequest, Serial, engine_on, play
from tests.serving.engines.processes import engine_process

BASE = Tiny(endless=True)


@dataclass(frozen=True, slots=True)
class AdapterFixture:
    """A base, a store with two adapters for it, and what llama_cpp answers once each is merged."""

    base: Path
    store: Path
    adapters: tuple[str, ...]
    merged: dict[str, Serial]

    def engine(self, **given: object) -> AbstractContextManager[LlamaEngine]:
        return engine_on(self.base, store=str(self.store), **given)

    def check(self, parts: list[PlayedRequest], answers: list[list[int]]) -> None:
        for part, answer in zip(parts, answers, strict=True):
            self.merged[part.adapter].check([part], [answer])


def put(store: Path, file: Path) -> str:
    """Lay a file down as the store keeps it."""
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    (store / "objects" / sha256[:2]).mkdir(parents=True, exist_ok=True)
    shutil.copy(file, store / "objects" / sha256[:2] / sha256)
    return sha256


@pytest.fixture(scope="module")
def adapter_files(tmp_path_factory: pytest.TempPathFactory) -> Generator[AdapterFixture]:
    folder = tmp_path_factory.mktemp("adapters")
    loras = [TinyLora(BASE, seed=seed) for seed in (1, 2)]
    names = [put(folder / "store", lora.write(folder / "lora.gguf")) for lora in loras]
    base = BASE.write(folder / "base.gguf")
    merged = {"": Serial(base)}
    for name, lora in zip(names, loras, strict=True):
        merged[name] = Serial(lora.merged(folder / f"{name[:8]}.gguf"))
    yield AdapterFixture(base, folder / "store", ("", *names), merged)
    for serial in merged.values():
        serial.close()


def _prompt(length: int, seed: int) -> tuple[int, ...]:
    draw = random.Random(seed)
    return tuple(draw.randrange(1000) for _ in range(length))


def test_an_answer_under_an_adapter_is_that_of_merged_weights(
    adapter_files: AdapterFixture,
) -> None:
    """And another than the base's, or the test would show nothing."""
    parts = [
        PlayedRequest(_prompt(40, 1), limit=48, adapter=adapter)
        for adapter in adapter_files.adapters
    ]
    with adapter_files.engine() as engine:
        answers = [play(engine, [part])[0] for part in parts]
    adapter_files.check(parts, answers)
    assert len({tuple(answer) for answer in answers}) == 3


def test_a_prefix_of_one_adapter_is_never_another_s(adapter_files: AdapterFixture) -> None:
    """The same long prompt is read anew under each, and comes from memory within one."""
    prompt = _prompt(200, 2)
    with adapter_files.engine() as engine:
        for seen, adapter in enumerate(adapter_files.adapters, 1):
            parts = [PlayedRequest(prompt, limit=24, adapter=adapter)] * 2
            adapter_files.check(parts, [play(engine, [part])[0] for part in parts])
            assert engine.snapshot().cached_tokens == seen * 199


@settings(max_examples=12)
@given(
    asks=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([3, 60, 200]),
            st.integers(0, 1),
            st.integers(1, 40),
            st.sampled_from([0, 0.002, 0.01]),
            st.one_of(st.none(), st.integers(1, 10)),
        ),
        min_size=2,
        max_size=10,
    ),
    parallel=st.integers(1, 4),
    batch=st.sampled_from([16, 512]),
)
def test_any_mix_gives_each_what_it_gets_alone(
    adapter_files: AdapterFixture, *,
    asks: list[tuple[int, int, int, int, float, int | None]], parallel: int,
    batch: int,
) -> None:  # fmt: skip
    """Base and adapters at random: shared beginnings, arrivals and cancellations."""
    parts = [
        PlayedRequest(_prompt(length, seed), limit, after, cancel, adapter_files.adapters[which])
        for which, length, seed, limit, after, cancel in asks
    ]
    with adapter_files.engine(parallel=parallel, batch=batch) as engine:
        adapter_files.check(parts, play(engine, parts))
        assert engine.snapshot().active == 0


def test_nobody_starves(adapter_files: AdapterFixture) -> None:
    """A short request under an adapter ends while long ones of the base go on."""
    long = PlayedRequest(_prompt(5, 3), limit=900)
    short = PlayedRequest(_prompt(5, 4), limit=8, after_s=0.05, adapter=adapter_files.adapters[1])
    parts = [long, replace(long, prompt=_prompt(5, 5)), short]
    with adapter_files.engine() as engine:
        adapter_files.check(parts, play(engine, parts))


async def test_an_adapter_that_is_not_there_is_refused(adapter_files: AdapterFixture) -> None:
    """Before the answer begins, by a file that is missing; the engine goes on."""
    with adapter_files.engine() as engine:
        with pytest.raises(FileMissing, match="add-adapter"):
            await engine.prepare(GenerationRequest("hello", adapter="0" * 64))
        assert (
            await engine.prepare(GenerationRequest("hello", adapter=adapter_files.adapters[1]))
        ).prompt


async def test_an_adapter_of_another_model_is_refused(
    adapter_files: AdapterFixture, tmp_path: Path
) -> None:
    """llama.cpp's own words say what does not fit; a base is no adapter."""
    foreign = put(adapter_files.store, TinyLora(Tiny(width=32)).write(tmp_path / "foreign.gguf"))
    model = put(adapter_files.store, adapter_files.base)
    with adapter_files.engine() as engine:
        with pytest.raises(ModelUnloadable, match="wrong base model"):
            await engine.prepare(GenerationRequest("hello", adapter=foreign))
        with pytest.raises(ModelUnloadable, match="not a LoRA adapter"):
            await engine.prepare(GenerationRequest("hello", adapter=model))


def test_the_least_used_adapter_leaves_and_comes_back(adapter_files: AdapterFixture) -> None:
    """With room for one, two take turns all the same."""
    parts = [
        PlayedRequest(_prompt(9, n), limit=30, adapter=adapter_files.adapters[n % 3])
        for n in range(6)
    ]
    with adapter_files.engine() as engine:
        engine.scheduler.adapters.most_loaded = 1
        engine.scheduler.turns.turn_s = 0.0
        adapter_files.check(parts, play(engine, parts))


def test_an_adapter_that_leaves_the_store_ends_its_request(adapter_files: AdapterFixture) -> None:
    """With its reason, and who comes after notices nothing."""
    parts = [PlayedRequest(_prompt(9, 1), limit=30)]
    with adapter_files.engine() as engine:
        with pytest.raises(AssertionError, match="add-adapter"):
            play(engine, [PlayedRequest(_prompt(9, 2), limit=5, adapter="0" * 64)])
        adapter_files.check(parts, play(engine, parts))


def test_a_request_names_its_adapter_by_header(adapter_files: AdapterFixture) -> None:
    """Over HTTP, as the gateway asks."""
    told = {"X-Modelyard-Adapter": adapter_files.adapters[1]}
    asked = {"model": "m", "prompt": "hello", "temperature": 0, "max_tokens": 16}
    with (
        engine_process(
            format="gguf", path=str(adapter_files.base), store=str(adapter_files.store)
        ) as running,
        running.http() as http,
    ):
        plain = http.post("/v1/completions", json=asked).json()["choices"][0]["text"]
        under = http.post("/v1/completions", json=asked, headers=told).json()["choices"][0]["text"]
        gone = http.post("/v1/completions", json=asked, headers=dict.fromkeys(told, "0" * 64))
    assert plain == adapter_files.merged[""].text("hello", 16)
    assert under == adapter_files.merged[adapter_files.adapters[1]].text("hello", 16)
    assert (gone.status_code, gone.json()["error"]["code"]) == (503, "file_missing")
