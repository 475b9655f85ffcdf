"""Embeddings pass the gateway as completions do; a model of another kind says so."""

from pathlib import Path

import pytest

from tests.models.onnx_tiny import Bert
from tests.serving.engines.processes import engine_process
from tests.serving.installation import TOKEN, Installation

pytestmark = pytest.mark.anyio


async def test_an_embedding_passes_the_gateway(lite: Installation, tmp_path: Path) -> None:
    """The vector comes back with the name the client used and the version that answered."""
    path = Bert().write(tmp_path / "model")
    version = lite.filled.add_onnx("owner/reader", tmp_path / "model")
    given = {"internal_token": TOKEN, "version_id": version.id, "model_name": version.model}
    with engine_process(format="onnx", path=str(path), **given) as engine:
        lite.worker()
        lite.ready(version, engine.url)
        async with lite.client(lite.ada) as client:
            body = {"model": "owner/reader@champion", "input": ["def", "the model"]}
            answer = await client.post("/v1/embeddings", json=body)
    assert answer.status_code == 200
    assert answer.headers["X-Modelyard-Version"] == "owner/reader@1"
    assert answer.json()["model"] == "owner/reader@champion"
    assert [len(item["embedding"]) for item in answer.json()["data"]] == [32, 32]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/rerank", "/v1/classify"])
async def test_a_model_that_writes_reads_for_nobody(lite: Installation, path: str) -> None:
    """400 with the code that says the model is of another kind."""
    version = lite.filled.add("talker")
    with lite.engine(version):
        async with lite.client(lite.ada) as client:
            answer = await client.post(path, json={"model": "talker", "input": "a"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unsupported_endpoint"
