"""What was not set is cut to the memory there is; what was set is kept or refused with numbers."""

from pathlib import Path
from typing import Any

import pytest

from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.llama_cpp.model.estimate import estimate
from modelyard.serving.worker.residency.eviction import MemoryBudget, MemoryShare
from modelyard.serving.worker.residency.fit import SHORTEST, Pinned, fitted
from modelyard.serving.worker.residency.launch import memory_needed
from tests.models.tiny import Tiny
from tests.serving.engines.processes import engine_process
from tests.serving.worker.filled_catalog import FilledCatalog

WIDE = Tiny(width=512, layers=8, heads=8, kv_heads=8, inner=512, context=8192)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return WIDE.write(tmp_path_factory.mktemp("fit") / "wide.gguf")


def _config(path: Path, **given: Any) -> EngineConfig:
    known = {"version_id": "v", "model_name": "m", "format": "gguf", "internal_token": "t" * 32}
    size = {"parallel": 8, "context_length": 8192}
    return EngineConfig.model_validate(known | size | {"path": str(path)} | given)


def _cells(config: EngineConfig) -> int:
    return config.parallel * config.context_length


@pytest.mark.parametrize(
    ("budget", "parallel", "context"),
    [
        (65536, 8, 8192),
        (65535, 4, 8192),
        (8192, 1, 8192),
        (8191, 1, 4096),
        (2048, 1, 2048),
        (1, 1, SHORTEST),
    ],
)
def test_requests_are_cut_first_and_context_never_below_the_floor(
    wide: Path, budget: int, parallel: int, context: int
) -> None:
    """Halved until it fits; what never fits is left at its smallest, for the refusal to name."""
    found = fitted(_config(wide), Pinned(), budget, _cells)
    assert (found.parallel, found.context_length) == (parallel, context)


def test_what_was_set_is_never_cut(wide: Path) -> None:
    """One pinned, the other gives way; both pinned, nothing does."""
    config = _config(wide)
    assert fitted(config, Pinned(parallel=True), 1, _cells).parallel == 8
    assert fitted(config, Pinned(parallel=True), 1, _cells).context_length == SHORTEST
    assert fitted(config, Pinned(context=True), 1, _cells).context_length == 8192
    assert fitted(config, Pinned(parallel=True, context=True), 1, _cells) == config
    short = _config(wide, context_length=512)
    assert fitted(short, Pinned(), 1, _cells).context_length == 512


def test_idle_versions_count_as_room_and_busy_ones_do_not() -> None:
    """Idle ones can leave; what is measured as free counts, too."""
    room = MemoryBudget(total=1000, free=300, fraction=0.9)
    idle = MemoryShare("a", 200, 0.0)
    busy = MemoryShare("b", 300, 0.0, busy=True)
    assert room.most([]) == 300
    assert room.most([idle]) == 500
    assert room.most([idle, busy]) == 500
    assert room.most([busy, MemoryShare("c", 100, 0.0, busy=True, loading=True)]) == 200


def test_a_fitted_engine_stays_within_its_budget(wide: Path, catalog_files: FilledCatalog) -> None:
    """By the same estimate that admits it; and the real process says what it runs with."""
    facts = ModelFacts(Format.GGUF, "llama")
    file = StoredFile("f", "0" * 64, 1)
    version = catalog_files.catalog.register(
        name="a/m", repo="a/m", revision="0" * 40, facts=facts, files=[file], metrics={}
    )
    config = _config(wide)
    whole = memory_needed(config, version).total
    found = fitted(config, Pinned(), whole // 2, lambda c: memory_needed(c, version).total)
    assert memory_needed(found, version).total <= whole // 2
    given = {"parallel": found.parallel, "context_length": found.context_length}
    with engine_process(format="gguf", path=str(wide), **given) as engine:
        state = engine.state()
        assert engine.ready["memory_bytes"] < whole // 2 * 1.2
    assert (state["slots"], state["context_length"]) == (found.parallel, found.context_length)


def test_q8_0_takes_half_the_memory_for_keys_and_values(wide: Path) -> None:
    """34 bytes for 32 numbers instead of 64; and it answers."""
    full = estimate(_config(wide, parallel=2)).kv_cache
    half = estimate(_config(wide, parallel=2, kv_type="q8_0")).kv_cache
    assert half == full * 34 // 64
    sizes = dict[str, int]()
    for kind in ("f16", "q8_0"):
        given = {"parallel": 2, "context_length": 8192, "kv_type": kind}
        with engine_process(format="gguf", path=str(wide), **given) as engine:
            body = {"model": "m", "prompt": "one two", "max_tokens": 8}
            with engine.http() as http:
                assert http.post("/v1/completions", json=body).json()["usage"]["total_tokens"] > 2
            sizes[kind] = engine.ready["memory_bytes"]
    assert sizes["f16"] - sizes["q8_0"] > (full - half) * 0.8
