"""The memory a model will take is known from its header."""

from pathlib import Path

from modelyard.registry.catalog.model import Format
from modelyard.serving.engines.child.child import settings_for
from modelyard.serving.engines.footprint import Footprint
from modelyard.serving.engines.llama_cpp.model import estimate as gguf
from tests.serving.engines.processes import engine_process


def estimate(path: Path, **sizes: int) -> Footprint:
    """What an engine of this file and these sizes is predicted to take."""
    return gguf.estimate(settings_for(path, Format.GGUF, name="m").model_copy(update=sizes))


def test_memory_grows_with_context_and_slots(slow: Path) -> None:
    """Keys and values cost layers x heads x sizes x 2 bytes a cell, exactly."""
    small = estimate(slow, context_length=512, parallel=1)
    large = estimate(slow, context_length=1024, parallel=4)
    assert small.kv_cache == 512 * 8 * 4 * (64 + 64) * 2
    assert large.kv_cache == 8 * small.kv_cache
    assert small.weights == slow.stat().st_size


def test_a_real_engine_takes_about_what_was_predicted(slow: Path) -> None:
    """Between two thirds and one and a half of the prediction."""
    predicted = estimate(slow, context_length=2048, parallel=8).total
    with engine_process(format="gguf", path=str(slow), context_length=2048, parallel=8) as engine:
        taken = engine.ready["memory_bytes"]
    assert predicted / 1.5 < taken < predicted * 1.5
