"""Embeddings of a GGUF encoder, as the unmodified `openai` client asks for them."""

import base64
import json
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from tests.models.tiny_bert import TinyBert
from tests.serving.engines.processes import StartedEngine, config, engine_process, refusal

HALF = 1e-3  # llama.cpp sums in half precision, in an order that depends on the batch
TEXTS = ["def run(self): pass", "return the value", "x", "class Worker: " * 20]


@pytest.fixture(scope="module")
def encoder(models: Path) -> Path:
    return TinyBert().write(models / "encoder.gguf")


@pytest.fixture(scope="module")
def engine(encoder: Path) -> Generator[StartedEngine]:
    with engine_process(format="gguf", path=str(encoder), context_length=0) as running:
        yield running


def _serial(path: Path) -> Any:
    import llama_cpp

    llama = llama_cpp.Llama(str(path), embedding=True, n_ctx=256, verbose=False, n_threads=1)
    found = [np.array(llama.embed(text, normalize=True)) for text in TEXTS]
    llama.close()
    return found


def test_vectors_are_llama_cpps_own(engine: StartedEngine, encoder: Path) -> None:
    """One by one, all in one request and many at once: the serial vectors, of length one."""
    expected = _serial(encoder)
    client = engine.client()
    together = client.embeddings.create(model="m", input=TEXTS)
    assert [item.index for item in together.data] == [0, 1, 2, 3]
    with ThreadPoolExecutor(8) as pool:
        alone = list(pool.map(lambda t: client.embeddings.create(model="m", input=t), TEXTS * 8))
    for i, vector in enumerate(expected):
        for found in (together.data[i], alone[i].data[0], alone[i + 28].data[0]):
            assert found.embedding == pytest.approx(vector, abs=HALF)
            assert np.linalg.norm(found.embedding) == pytest.approx(1, abs=1e-4)
    assert together.usage.prompt_tokens == sum(a.usage.prompt_tokens for a in alone[:4])


def test_floats_and_base64_are_the_same_numbers(engine: StartedEngine) -> None:
    """Both encodings, and token ids as input."""
    with engine.http() as http:
        ask = {"model": "m", "input": [[5, 6, 7], [8]]}
        plain = http.post("/v1/embeddings", json=ask).json()["data"]
    client = engine.client()
    coded = client.embeddings.create(model="m", input=[[5, 6, 7], [8]], encoding_format="base64")
    for item, other in zip(plain, coded.data, strict=True):
        raw: Any = other.embedding
        values = np.frombuffer(base64.b64decode(raw), "<f4")
        assert item["embedding"] == pytest.approx(values, abs=1e-7)
    assert client.embeddings.create(model="m", input=[5, 6], dimensions=64).data


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"dimensions": 32}, "dimensions"),
        ({"input": []}, "input"),
        ({"input": [""]}, "input"),
        ({"input": [[1], 2]}, "input"),
        ({"input": [5000]}, "input"),
        ({"input": "word " * 400}, "input"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"truncate": "all"}, "truncate"),
    ],
)
def test_what_is_wrong_is_named(engine: StartedEngine, extra: dict[str, Any], param: str) -> None:
    """A 400 whose `param` is the field."""
    with engine.http() as http:
        answer = http.post("/v1/embeddings", json={"model": "m", "input": "x"} | extra)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_a_text_too_long_is_cut_only_when_asked(engine: StartedEngine) -> None:
    """The vector of what fits, and the tokens that were read."""
    with engine.http() as http:
        ask = {"model": "m", "input": [[5] * 400, [5] * 256], "truncate": True}
        answer = http.post("/v1/embeddings", json=ask).json()
    assert answer["usage"]["prompt_tokens"] == 512
    cut, whole = (item["embedding"] for item in answer["data"])
    assert cut == pytest.approx(whole, abs=HALF)


def test_each_model_does_what_it_can(engine: StartedEngine, tiny_f32: Path) -> None:
    """An encoder writes no text, and a writer makes no embeddings."""
    with pytest.raises(openai.BadRequestError, match="/v1/embeddings"):
        engine.client().completions.create(model="m", prompt="x")
    with (
        engine_process(format="gguf", path=str(tiny_f32)) as writer,
        pytest.raises(openai.BadRequestError, match="/v1/embeddings needs an embedding model"),
    ):
        writer.client().embeddings.create(model="m", input="x")


def test_a_ranking_model_is_not_taken_for_an_encoder(models: Path) -> None:
    """Its vectors would be scores: the load says so."""
    path = TinyBert(pooling=4).write(models / "ranker.gguf")
    status, answer = refusal(json.dumps(config(format="gguf", path=str(path), context_length=0)))
    assert status == 3
    assert "ranks" in answer["error"]["message"]
