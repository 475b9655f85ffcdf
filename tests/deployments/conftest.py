"""One Hub with three repositories: an open one, a gated one and a private one."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployments.hub_process import RunningHub, running_hub

TOKEN = "hf_reader"
OPEN = "ada/open"
GATED = "ada/gated"
PRIVATE = "ada/private"


@pytest.fixture(scope="session")
def weights() -> bytes:
    """Three megabytes: more than the Hub reads at once."""
    return random.Random(7).randbytes(3_000_000)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, weights: bytes) -> Iterator[RunningHub]:
    scratch = tmp_path_factory.mktemp("hub")
    root = scratch / "models"
    _fill(root / OPEN, weights, {"refs": ["v1"], "downloads": 5, "tags": ["gguf"]})
    _fill(root / GATED, weights, {"gated": "auto"})
    _fill(root / PRIVATE, weights, {"private": True})
    with running_hub(root, scratch, "--faults", "--token", TOKEN) as hub:
        yield hub


@pytest.fixture
def hub(served: RunningHub) -> RunningHub:
    """The Hub, with no fault left over from another test."""
    served.fault()
    return served


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache for the real client, so that it never touches the user's own."""
    return tmp_path / "cache"


def _fill(folder: Path, weights: bytes, settings: dict[str, object]) -> None:
    (folder / "onnx").mkdir(parents=True)
    (folder / "model.gguf").write_bytes(weights)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "onnx" / "model.onnx").write_bytes(weights[:1000])
    (folder / ".hub.json").write_text(json.dumps(settings))
