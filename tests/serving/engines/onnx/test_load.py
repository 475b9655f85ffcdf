"""What a version's files say is obeyed; files that make no model are refused with the reason."""

import json
import time
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.onnx.estimate import estimate
from tests.models.numpy_bert import NumpyBert, unit
from tests.models.onnx_tiny import CLASSIFIER, Bert, tokens
from tests.serving.engines.processes import config, engine_process, refusal

BAR = 0.15
"""How far an estimate may be off before any load."""


def vector(path: Path, text: str, **body: Any) -> Any:
    with engine_process(format="onnx", path=str(path), context_length=0) as engine:
        with engine.http() as http:
            answer = http.post("/v1/embeddings", json={"input": text} | body)
        return np.array(answer.json()["data"][0]["embedding"])


def test_a_folder_of_its_own_for_the_model_is_fine(tmp_path: Path) -> None:
    """Repositories keep model.onnx, with weights beside it, one folder below the tokenizer."""
    path = Bert().write(tmp_path, external=True)
    below = tmp_path / "onnx"
    below.mkdir()
    for file in (path, path.with_name("model.onnx.data")):
        file.rename(below / file.name)
    shape = Bert()
    expected = NumpyBert(shape.described, shape.weights()).mean(*tokens("the model"))
    assert np.abs(vector(below / path.name, "the model") - expected).max() <= 1e-5


def test_a_matryoshka_models_vectors_can_be_cut(tmp_path: Path) -> None:
    """Shorter vectors are of length one again."""
    path = Bert(config={"matryoshka_dimensions": [8, 16]}).write(tmp_path)
    whole = vector(path, "def")
    cut = vector(path, "def", dimensions=8)
    assert np.abs(unit(whole[:8]) - cut).max() <= 1e-6


def test_labels_that_do_not_exclude_each_other_have_a_probability_each(tmp_path: Path) -> None:
    """Sigmoids of their own for a multi-label classifier: no sum of one."""
    shape = Bert(CLASSIFIER, ("a", "b"), config={"problem_type": "multi_label_classification"})
    logits = NumpyBert(shape.described, shape.weights()).classified(*tokens("def"))
    path = str(shape.write(tmp_path))
    with engine_process(format="onnx", path=path) as engine, engine.http() as http:
        answer = http.post("/v1/classify", json={"input": "def"}).json()
    assert np.abs(np.array(answer["data"][0]["probs"]) - 1 / (1 + np.exp(-logits))).max() <= 1e-5


def spoil(folder: Path, name: str, content: str) -> str:
    path = Bert().write(folder)
    (folder / name).write_text(content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("config.json", "{", "config.json"),
        ("config.json", "[]", "config.json"),
        ("tokenizer.json", "{}", "tokenizer.json"),
        ("model.onnx", "not a model", "model.onnx"),
        ("modules.json", '[{"type": "x.Dense"}]', "Dense"),
    ],
)
def test_files_that_make_no_model_are_refused(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    """One line that names the file, and exit 3."""
    line = json.dumps(config(format="onnx", path=spoil(tmp_path, name, content)))
    status, answer = refusal(line)
    assert status == 3
    assert answer["error"]["code"] == "model_unloadable"
    assert says in answer["error"]["message"]


@pytest.mark.parametrize(
    "shape", [Bert(), Bert(width=512, inner=2048, layers=4, heads=8, positions=1024)]
)
def test_memory_is_predicted_within_the_bar(tmp_path: Path, shape: Bert) -> None:
    """15%, after the longest texts it may read, on both lanes.

    Of the small one nearly all is the interpreter's own, which differs by 10 MiB among machines.
    """
    given = config(format="onnx", path=str(shape.write(tmp_path)), threads=2, context_length=0)
    predicted = estimate(EngineConfig(**given)).total
    with engine_process(**given) as engine:
        body = {"input": ["def " * shape.positions] * 8, "truncate": True}
        taken = 0
        for _ in range(5):  # on a busy machine one lane may read all texts of a request
            with engine.http() as http:
                http.post("/v1/embeddings", json=body).raise_for_status()
            if (taken := engine.state()["rss"]) > (1 - BAR) * predicted:
                break
        assert taken == pytest.approx(predicted, rel=BAR)


def test_a_client_that_leaves_takes_its_texts_along(tmp_path: Path) -> None:
    """What has not begun never does: the queue empties, and most of it was never read."""
    shape = Bert(width=256, inner=1024, layers=4, positions=512)
    with engine_process(format="onnx", path=str(shape.write(tmp_path))) as engine:
        body = {"input": ["def " * 300] * 1000}
        with engine.http() as http, pytest.raises(httpx2.ReadTimeout):
            http.post("/v1/embeddings", json=body, timeout=httpx2.Timeout(60, read=0.7))
        deadline = time.monotonic() + 60
        while (state := engine.state())["active"] or state["queued"]:
            assert time.monotonic() < deadline, state
            time.sleep(0.02)
        assert state["prompt_tokens"] < 1000 * 300
