"""/v1/embeddings: the vectors of a plain computation, asked by the unmodified `openai` client."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import numpy as np
import openai
import pytest

from tests.models.numpy_bert import NumpyBert
from tests.models.onnx_tiny import tokens
from tests.serving.engines.onnx.conftest import EMBEDDER
from tests.serving.engines.onnx.texts import texts
from tests.serving.engines.processes import StartedEngine

REFERENCE = NumpyBert(EMBEDDER.described, EMBEDDER.weights())
SHORT = texts(40, longest=20)


def expected(text: str) -> Any:
    return REFERENCE.mean(*tokens(text))


def ask(engine: StartedEngine, **body: Any) -> httpx2.Response:
    with engine.http() as http:
        return http.post("/v1/embeddings", json={"model": "m"} | body)


def test_vectors_are_the_references_whatever_shares_their_batch(embedder: StartedEngine) -> None:
    """One request of mixed lengths: each vector as if its text had been alone."""
    answer = embedder.client().embeddings.create(model="m", input=SHORT)
    assert [item.index for item in answer.data] == list(range(len(SHORT)))
    for text, item in zip(SHORT, answer.data, strict=True):
        assert np.abs(np.array(item.embedding) - expected(text)).max() <= 1e-5
    assert answer.usage.prompt_tokens == sum(len(tokens(text)[0]) for text in SHORT)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens


def test_concurrent_clients_get_the_vectors_of_their_own_texts(embedder: StartedEngine) -> None:
    """Sixteen clients whose texts are batched together never get one another's."""

    def wrong(text: str) -> float:
        answer = embedder.client().embeddings.create(model="m", input=text)
        return float(np.abs(np.array(answer.data[0].embedding) - expected(text)).max())

    with ThreadPoolExecutor(16) as pool:
        assert max(pool.map(wrong, SHORT)) <= 1e-5


def test_float_and_base64_are_the_same_numbers(embedder: StartedEngine) -> None:
    """Base64 is of little-endian 32-bit floats, as OpenAI sends them."""
    client = embedder.client()
    plain = client.embeddings.create(model="m", input="def", encoding_format="float")
    packed = ask(embedder, input="def", encoding_format="base64").json()["data"][0]["embedding"]
    numbers = np.frombuffer(base64.b64decode(packed), "<f4")
    assert np.array_equal(np.array(plain.data[0].embedding, np.float32), numbers)


def test_token_ids_are_taken_as_they_are(embedder: StartedEngine) -> None:
    """A list of ids, or several, gives what its text gives."""
    ids = tokens("return the name")[0]
    client = embedder.client()
    one = client.embeddings.create(model="m", input=ids).data[0].embedding
    two = client.embeddings.create(model="m", input=[ids, ids[:3]]).data
    assert np.abs(np.array(one) - expected("return the name")).max() <= 1e-5
    assert np.allclose(one, two[0].embedding, atol=1e-6)
    assert len(two) == 2


def test_a_long_text_is_400_unless_it_may_be_cut(embedder: StartedEngine) -> None:
    """OpenAI's code for it with both numbers; with `truncate` the end is left out."""
    long = "def " * 100
    with pytest.raises(openai.BadRequestError) as caught:
        embedder.client().embeddings.create(model="m", input=["def", long])
    assert caught.value.code == "context_length_exceeded"
    assert "64" in caught.value.message
    cut = ask(embedder, input=long, truncate=True).json()
    assert cut["usage"]["prompt_tokens"] == EMBEDDER.positions


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"input": ""}, "invalid_value", "input"),
        ({"input": []}, "invalid_value", "input"),
        ({"input": ["a", 3]}, "invalid_value", "input"),
        ({"input": ["a"] * 2049}, "invalid_value", "input"),
        ({"input": [700]}, "invalid_value", "input"),
        ({"input": [-1]}, "invalid_value", "input"),
        ({}, "invalid_value", "input"),
        ({"input": "a", "encoding_format": "int8"}, "invalid_value", "encoding_format"),
        ({"input": "a", "dimensions": 8}, "unsupported_parameter", "dimensions"),
        ({"input": "a", "dimensions": 0}, "invalid_value", "dimensions"),
        ({"input": "a", "stream": True}, "unsupported_parameter", "stream"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    embedder: StartedEngine, body: dict[str, Any], code: str, param: str
) -> None:
    """400 with the field at fault; nothing is ignored."""
    answer = ask(embedder, **body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == (code, param)


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/completions", "/v1/rerank", "/v1/classify"]
)
def test_an_endpoint_of_another_kind_of_model_is_refused(
    embedder: StartedEngine, path: str
) -> None:
    """400 `unsupported_endpoint`, saying what it needs and what this one answers."""
    with embedder.http() as http:
        answer = http.post(path, json={"model": "m"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unsupported_endpoint"
    assert "/v1/embeddings" in answer.json()["error"]["message"]


def test_nobody_without_the_token_gets_a_vector(embedder: StartedEngine) -> None:
    """The guard stands before every endpoint."""
    assert (
        httpx2.post(f"{embedder.url}/v1/embeddings", json={"input": "a"}, timeout=60).status_code
        == 401
    )


def test_the_state_counts_what_was_read(embedder: StartedEngine) -> None:
    """Lanes, nothing left to do, tokens read and the length a text may have."""
    before = embedder.state()["prompt_tokens"]
    ask(embedder, input="def")
    state = embedder.state()
    assert state["prompt_tokens"] == before + len(tokens("def")[0])
    assert (state["slots"], state["active"], state["queued"]) == (2, 0, 0)
    assert state["context_length"] == EMBEDDER.positions


def test_a_text_far_too_long_is_not_even_tokenised(embedder: StartedEngine) -> None:
    """Megabytes are refused by their characters; cut, they cost what the model can read."""
    refused = ask(embedder, input="def " * 1_000_000)
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    assert "characters" in refused.json()["error"]["message"]
    cut = ask(embedder, input="def " * 1_000_000, truncate=True)
    assert cut.json()["usage"]["prompt_tokens"] == EMBEDDER.positions
