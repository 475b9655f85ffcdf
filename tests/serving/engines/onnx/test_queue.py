"""An engine under load: it drains, it refuses what it could not get to, it goes on."""

import signal
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
from openai.types import CreateEmbeddingResponse

from tests.models.onnx_tiny import Bert
from tests.serving.engines.processes import StartedEngine, engine_process


@pytest.fixture
def slow(tmp_path: Path) -> Generator[StartedEngine]:
    """A model that takes some milliseconds a text, and lets 16 wait."""
    path = Bert(width=256, inner=1024, layers=4, positions=512).write(tmp_path)
    with engine_process(format="onnx", path=str(path), max_queue=1, drain_s=120) as running:
        yield running


def at_work(engine: StartedEngine, pool: ThreadPoolExecutor) -> Future[CreateEmbeddingResponse]:
    """A request of a hundred texts, most of which wait; one that was too quick is repeated."""
    client = engine.client()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        asked = pool.submit(client.embeddings.create, model="m", input=["def " * 500] * 100)
        while not asked.done():
            if engine.state()["queued"] > 50:
                return asked
            time.sleep(0.01)
    raise AssertionError("it is never seen at work")


def test_sigterm_finishes_what_was_asked(slow: StartedEngine) -> None:
    """A request under way is answered whole; then the process ends."""
    with ThreadPoolExecutor(1) as pool:
        asked = at_work(slow, pool)
        slow.process.send_signal(signal.SIGTERM)
        assert len(asked.result().data) == 100
    assert slow.process.wait(120) == 0


def test_a_full_queue_is_503_with_a_time_to_come_back(slow: StartedEngine) -> None:
    """Who comes when enough wait is told so, before any work is done for it."""
    with ThreadPoolExecutor(1) as pool, slow.http() as http:
        asked = at_work(slow, pool)
        answer = http.post("/v1/embeddings", json={"input": "def"})
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "engine_busy"
        assert answer.headers["retry-after"] == "1"
        assert len(asked.result().data) == 100
        assert http.post("/v1/embeddings", json={"input": "def"}).status_code == 200


def test_a_body_over_8_mib_is_413(slow: StartedEngine) -> None:
    """The limit of every endpoint."""
    with pytest.raises(openai.APIStatusError) as caught:
        slow.client().embeddings.create(model="m", input="x" * (8 * 1024 * 1024))
    assert caught.value.status_code == 413
