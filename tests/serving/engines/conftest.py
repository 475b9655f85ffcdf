"""Tiny GGUF models, written once a session."""

from pathlib import Path

import pytest

from tests.models.tiny import Tiny


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def tiny_f32(models: Path) -> Path:
    return Tiny().write(models / "tiny-f32.gguf")


@pytest.fixture(scope="session")
def tiny_f16(models: Path) -> Path:
    return Tiny(half=True).write(models / "tiny-f16.gguf")


@pytest.fixture(scope="session", params=["f32", "f16"])
def endless(request: pytest.FixtureRequest, models: Path) -> Path:
    """A model that writes until it is stopped; the same test runs on weights of either kind."""
    file = models / f"endless-{request.param}.gguf"
    return Tiny(endless=True, half=request.param == "f16").write(file)


@pytest.fixture(scope="session")
def untemplated(models: Path) -> Path:
    """A model without a chat template."""
    return Tiny(chat_template=None).write(models / "untemplated.gguf")


@pytest.fixture(scope="session")
def slow(models: Path) -> Path:
    """A model that takes some milliseconds a token, so that there is something to interrupt."""
    shape = Tiny(width=512, layers=8, heads=8, kv_heads=4, inner=1536, endless=True)
    return shape.write(models / "slow.gguf")
