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

from registry.errors import FileMissing
from serving.engines.generation import Ask
from serving.engines.llama_cpp.engine import LlamaEngine
from serving.errors import ModelUnloadable
from tests.models.tiny import Tiny
from tests.models.tiny_lora import TinyLora
from tests.serving.engines.llama_cpp.playing import Part, Serial, engine_on, play
from tests.serving.engines.processes import engine_process

BASE = Tiny(endless=True)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A base, a store with two adapters for it, and what llama_cpp answers once each is merged."""

    base: Path
    store: Path
    adapters: tuple[str, ...]
    merged: dict[str, Serial]

    def engine(self, **given: object) -> AbstractContextManager[LlamaEngine]:
        return engine_on(self.base, store=str(self.store), **given)

    def check(self, parts: list[Part], answers: list[list[int]]) -> None:
        for part, answer in zip(parts, answers, strict=True):
            self.merged[part.adapter].check([part], [answer])


def put(store: Path, file: Path) -> str:
    """Lay a file down as the store keeps it."""
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    (store / "objects" / sha256[:2]).mkdir(parents=True, exist_ok=True)
    shutil.copy(file, store / "objects" / sha256[:2] / sha256)
    return sha256


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Generator[Shelf]:
    folder = tmp_path_factory.mktemp("adapters")
    loras = [TinyLora(BASE, seed=seed) for seed in (1, 2)]
    names = [put(folder / "store", lora.write(folder / "lora.gguf")) for lora in loras]
    base = BASE.write(folder / "base.gguf")
    merged = {"": Serial(base)}
    for name, lora in zip(names, loras, strict=True):
        merged[name] = Serial(lora.merged(folder / f"{name[:8]}.gguf"))
    yield Shelf(base, folder / "store", ("", *names), merged)
    for serial in merged.values():
        serial.close()


def _prompt(length: int, seed: int) -> tuple[int, ...]:
    draw = random.Random(seed)
    return tuple(draw.randrange(1000) for _ in range(length))


def test_an_answer_under_an_adapter_is_that_of_merged_weights(shelf: Shelf) -> None:
    """And another than the base's, or the test would show nothing."""
    parts = [Part(_prompt(40, 1), limit=48, adapter=adapter) for adapter in shelf.adapters]
    with shelf.engine() as engine:
        answers = [play(engine, [part])[0] for part in parts]
    shelf.check(parts, answers)
    assert len({tuple(answer) for answer in answers}) == 3


def test_a_prefix_of_one_adapter_is_never_another_s(shelf: Shelf) -> None:
    """The same long prompt is read anew under each, and comes from memory within one."""
    prompt = _prompt(200, 2)
    with shelf.engine() as engine:
        for seen, adapter in enumerate(shelf.adapters, 1):
            parts = [Part(prompt, limit=24, adapter=adapter)] * 2
            shelf.check(parts, [play(engine, [part])[0] for part in parts])
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
    shelf: Shelf, *, asks: list[tuple[int, int, int, int, float, int | None]], parallel: int,
    batch: int,
) -> None:  # fmt: skip
    """Base and adapters at random: shared beginnings, arrivals and cancellations."""
    parts = [
        Part(_prompt(length, seed), limit, after, cancel, shelf.adapters[which])
        for which, length, seed, limit, after, cancel in asks
    ]
    with shelf.engine(parallel=parallel, batch=batch) as engine:
        shelf.check(parts, play(engine, parts))
        assert engine.snapshot().active == 0


def test_nobody_starves(shelf: Shelf) -> None:
    """A short request under an adapter ends while long ones of the base go on."""
    long = Part(_prompt(5, 3), limit=900)
    short = Part(_prompt(5, 4), limit=8, after_s=0.05, adapter=shelf.adapters[1])
    parts = [long, replace(long, prompt=_prompt(5, 5)), short]
    with shelf.engine() as engine:
        shelf.check(parts, play(engine, parts))


async def test_an_adapter_that_is_not_there_is_refused(shelf: Shelf) -> None:
    """Before the answer begins, by a file that is missing; the engine goes on."""
    with shelf.engine() as engine:
        with pytest.raises(FileMissing, match="add-adapter"):
            await engine.prepare(Ask("hello", adapter="0" * 64))
        assert (await engine.prepare(Ask("hello", adapter=shelf.adapters[1]))).prompt


async def test_an_adapter_of_another_model_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    """llama.cpp's own words say what does not fit; a base is no adapter."""
    foreign = put(shelf.store, TinyLora(Tiny(width=32)).write(tmp_path / "foreign.gguf"))
    model = put(shelf.store, shelf.base)
    with shelf.engine() as engine:
        with pytest.raises(ModelUnloadable, match="wrong base model"):
            await engine.prepare(Ask("hello", adapter=foreign))
        with pytest.raises(ModelUnloadable, match="not a LoRA adapter"):
            await engine.prepare(Ask("hello", adapter=model))


def test_the_least_used_adapter_leaves_and_comes_back(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for one, two take turns all the same."""
    monkeypatch.setattr("serving.engines.llama_cpp.adapters.MOST_LOADED", 1)
    monkeypatch.setattr("serving.engines.llama_cpp.adapters.TURN_S", 0.0)
    parts = [Part(_prompt(9, n), limit=30, adapter=shelf.adapters[n % 3]) for n in range(6)]
    with shelf.engine() as engine:
        shelf.check(parts, play(engine, parts))


def test_an_adapter_that_leaves_the_store_ends_its_request(shelf: Shelf) -> None:
    """With its reason, and who comes after notices nothing."""
    parts = [Part(_prompt(9, 1), limit=30)]
    with shelf.engine() as engine:
        with pytest.raises(AssertionError, match="add-adapter"):
            play(engine, [Part(_prompt(9, 2), limit=5, adapter="0" * 64)])
        shelf.check(parts, play(engine, parts))


def test_a_request_names_its_adapter_by_header(shelf: Shelf) -> None:
    """Over HTTP, as the gateway asks."""
    told = {"X-Modelyard-Adapter": shelf.adapters[1]}
    asked = {"model": "m", "prompt": "hello", "temperature": 0, "max_tokens": 16}
    with (
        engine_process(format="gguf", path=str(shelf.base), store=str(shelf.store)) as running,
        running.http() as http,
    ):
        plain = http.post("/v1/completions", json=asked).json()["choices"][0]["text"]
        under = http.post("/v1/completions", json=asked, headers=told).json()["choices"][0]["text"]
        gone = http.post("/v1/completions", json=asked, headers=dict.fromkeys(told, "0" * 64))
    assert plain == shelf.merged[""].text("hello", 16)
    assert under == shelf.merged[shelf.adapters[1]].text("hello", 16)
    assert (gone.status_code, gone.json()["error"]["code"]) == (503, "file_missing")
