"""/v1/classify and /v1/rerank against a plain computation of the same networks."""

from typing import Any

import numpy as np
import pytest

from tests.models.numpy_bert import NumpyBert, softmax
from tests.models.onnx_tiny import Bert, tokens
from tests.serving.engines.onnx.conftest import MARKING, RANKER, SORTER
from tests.serving.engines.onnx.texts import texts
from tests.serving.engines.processes import StartedEngine

TEXTS = texts(24, longest=20)
DOCUMENTS = texts(20, longest=15, seed=5)


def reference(shape: Bert) -> NumpyBert:
    return NumpyBert(shape.described, shape.weights())


def post(engine: StartedEngine, path: str, **body: Any) -> dict[str, Any]:
    with engine.http() as http:
        answer = http.post(path, json={"model": "m"} | body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_probabilities_are_the_references(sorter: StartedEngine) -> None:
    """Each text has its likeliest label by name, and the probability of all."""
    answer = post(sorter, "/v1/classify", input=TEXTS)
    for text, item in zip(TEXTS, answer["data"], strict=True):
        likely = softmax(reference(SORTER).classified(*tokens(text)))
        assert np.abs(np.array(item["probs"]) - likely).max() <= 1e-5
        assert item["label"] == SORTER.labels[int(likely.argmax())]
        assert item["num_classes"] == 3
    assert answer["usage"]["prompt_tokens"] == sum(len(tokens(text)[0]) for text in TEXTS)


def test_spans_are_the_references_words(marking: StartedEngine) -> None:
    """A word is what its first token is; `B-` begins a span, words of one kind go on with it."""
    answer = post(marking, "/v1/classify", input=TEXTS)
    for text, item in zip(TEXTS, answer["data"], strict=True):
        found = [(entity["label"], entity["text"]) for entity in item["entities"]]
        assert found == expected_spans(text)
        for entity in item["entities"]:
            assert text[entity["start"] : entity["end"]] == entity["text"]
            assert 0 < entity["score"] <= 1
    assert any(item["entities"] for item in answer["data"])


def expected_spans(text: str) -> list[tuple[str, str]]:
    """The words here are letters alone: each is a word to the tokenizer as well."""
    logits = reference(MARKING).marked(*tokens(text))
    spans: list[list[str]] = []
    at = 1
    before = "O"
    for word in text.split():
        label = MARKING.labels[int(logits[at].argmax())]
        at += len(tokens(word)[0]) - 2
        if label.startswith("I-") and before[2:] == label[2:]:
            spans[-1].append(word)
        elif label != "O":
            spans.append([label[2:], word])
        before = label
    return [(label, " ".join(words)) for label, *words in spans]


def test_documents_are_ranked_as_the_reference_ranks_them(ranker: StartedEngine) -> None:
    """Scores between 0 and 1, the best first, documents given back where asked."""
    answer = post(
        ranker, "/v1/rerank", query="the model", documents=DOCUMENTS, return_documents=True
    )
    scores = [
        1 / (1 + np.exp(-reference(RANKER).classified(*tokens("the model", document))[0]))
        for document in DOCUMENTS
    ]
    order = [item["index"] for item in answer["results"]]
    assert order == sorted(range(len(scores)), key=lambda index: -scores[index])
    for item in answer["results"]:
        assert abs(item["relevance_score"] - scores[item["index"]]) <= 1e-5
        assert item["document"] == {"text": DOCUMENTS[item["index"]]}
    pairs = sum(len(tokens("the model", document)[0]) for document in DOCUMENTS)
    assert answer["usage"]["total_tokens"] == pairs


def test_top_n_cuts_the_list_and_documents_stay_out_unless_asked(ranker: StartedEngine) -> None:
    """Documents may be objects with a text, as Cohere and Jina send them."""
    documents = [{"text": document} for document in DOCUMENTS]
    answer = post(ranker, "/v1/rerank", query="the", documents=documents, top_n=3)
    assert len(answer["results"]) == 3
    assert all(set(item) == {"index", "relevance_score"} for item in answer["results"])


@pytest.mark.parametrize(
    "body",
    [
        {"query": "a"},
        {"query": "", "documents": ["a"]},
        {"query": "a", "documents": []},
        {"query": "a", "documents": [{"title": "a"}]},
        {"query": "a", "documents": ["a"], "top_n": 0},
        {"query": "a", "documents": ["a"], "max_chunks_per_doc": 1},
        {"query": "a", "documents": ["def " * 100]},
    ],
)
def test_a_wrong_ranking_request_is_400(ranker: StartedEngine, body: dict[str, Any]) -> None:
    """Missing, empty, unknown or too long: each is refused."""
    with ranker.http() as http:
        answer = http.post("/v1/rerank", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] in {*body, "documents"}


def test_spans_need_text(marking: StartedEngine) -> None:
    """Token ids have no characters to point at."""
    with marking.http() as http:
        answer = http.post("/v1/classify", json={"input": [5, 6]})
    assert answer.json()["error"]["param"] == "input"


def test_a_query_too_long_is_named(ranker: StartedEngine) -> None:
    """It would be read once for each document: it is refused before the first."""
    with ranker.http() as http:
        body = {"query": "def " * 100, "documents": ["def"] * 2048}
        answer = http.post("/v1/rerank", json=body)
    assert answer.json()["error"]["code"] == "context_length_exceeded"
    assert answer.json()["error"]["param"] == "query"
