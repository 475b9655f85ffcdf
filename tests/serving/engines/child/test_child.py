"""An engine for one caller alone: how it ended, and that it was too slow, are told apart."""

from pathlib import Path

import pytest

from modelyard.registry.catalog.model import Format
from modelyard.serving.engines.child.child import (
    EngineEnded,
    EngineTooSlow,
    open_child,
    settings_for,
)
from modelyard.serving.errors import EngineFailed
from tests.models.broken_llama import AT_LOAD, EVERY_PRODUCT, broken_llama


def test_an_engine_that_dies_before_it_is_ready_says_by_what(
    tiny_f32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A llama.cpp that was built for another processor."""
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(broken_llama(tmp_path / "lib", AT_LOAD)))
    with (
        pytest.raises(EngineEnded, match=r"ended by SIGILL .* before it was ready") as ended,
        open_child(settings_for(tiny_f32, Format.GGUF, name="tiny")),
    ):
        pass
    assert "make setup" in ended.value.fix


def test_an_engine_that_dies_while_it_is_asked_says_by_what(
    tiny_f32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loads, and the first token kills it."""
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(broken_llama(tmp_path / "lib", EVERY_PRODUCT)))
    with (
        open_child(settings_for(tiny_f32, Format.GGUF, name="tiny")) as engine,
        pytest.raises(EngineFailed, match=r"ended by SIGILL .* while it was asked") as failed,
    ):
        engine.ask("/v1/completions", {"prompt": "Say"})
    assert "make setup" in failed.value.fix


def test_an_engine_that_takes_too_long_is_told_as_that(tiny_f32: Path) -> None:
    """Ended by us: not one word of a signal."""
    with (
        pytest.raises(EngineTooSlow, match="not ready within 0 s") as slow,
        open_child(settings_for(tiny_f32, Format.GGUF, name="tiny"), start_s=0.01),
    ):
        pass
    assert "SIG" not in str(slow.value)
