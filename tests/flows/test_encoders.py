"""Models that read come in by the same flow, are served, and make the index find by meaning."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from mlflow.tracking import MlflowClient

from modelyard.flows.steps.evaluate.texts import triples
from modelyard.flows.steps.validate.onnx import validate_onnx
from modelyard.registry.cards.index import open_index
from modelyard.registry.catalog.catalog import Catalog
from modelyard.registry.catalog.model import Format, Kind, ModelVersion, StoredFile
from modelyard.registry.identity.identity import Identity
from modelyard.registry.mlflow.mirror import mlflow_name
from tests.flows.harness import FlowHarness
from tests.models.known_encoder import KnownEncoder
from tests.models.onnx_tiny import CLASSIFIER, Bert
from tests.serving.installation import SECRET
from tests.serving.processes import environment, gateway_process, worker_process

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ENCODER = "ada/encoder"
RANKER = "ada/ranker"
JUDGE = "ada/judge"
POET = "ada/poet-GGUF"
Publish = Callable[..., None]


def files_of(folder: Path, card: str) -> dict[str, bytes]:
    """A folder as a repository: the graph one folder down, as most keep it."""
    below = {f.name: f.read_bytes() for f in folder.iterdir()}
    graphs = {f"onnx/{n}": below.pop(n) for n in list(below) if n.startswith("model.onnx")}
    return {**below, **graphs, "README.md": card.encode()}


@pytest.fixture
def encoder(publish: Publish, tmp_path: Path) -> None:
    known = [w for t in triples() for text in (t.text, t.similar, t.unlike) for w in text.split()]
    folder = tmp_path / "encoder"
    KnownEncoder([word.strip(".,?").lower() for word in known]).write(folder)
    publish(ENCODER, files_of(folder, "Places texts in space."), pipeline_tag="sentence-similarity")


@pytest.fixture
def poet(publish: Publish, tiny: Path) -> None:
    publish(POET, {"m-f16.gguf": tiny.read_bytes(), "README.md": b"It composes a sonnet."})


def version_of(harness: FlowHarness, model: str) -> ModelVersion:
    return next(version for version in harness.versions() if version.model == model)


@pytest.fixture
def key(harness: FlowHarness) -> str:
    with harness.database() as database:
        made = Identity(database, SECRET).first_admin()
    assert made is not None
    return made


def test_an_encoder_comes_in_and_search_finds_by_meaning(
    harness: FlowHarness, encoder: None, poet: None, key: str, tmp_path: Path
) -> None:
    """From the Hub to the openai client; earlier cards are found by other words from then on."""
    assert harness.add(repo=POET).document["new"]
    index = open_index(harness.settings)
    assert index.search("rhymes") == []
    (document,) = harness.add(repo=ENCODER).document["versions"]
    assert document["metrics"]["similar_nearer"] > 0.9
    version = version_of(harness, ENCODER)
    assert (version.facts.format, version.facts.kind) == (Format.ONNX, Kind.EMBED)
    assert version.main.path == "onnx/model.onnx"
    client = MlflowClient(harness.settings.mlflow)
    held = client.get_model_version(mlflow_name(ENCODER), str(version.mlflow_version))
    assert held.tags["modelyard.kind"] == "embed"
    again = harness.add(repo=ENCODER)
    assert (again.document["new"], again.seconds < 60) == (False, True)
    check_search(harness, version)
    check_embeddings(harness, key, tmp_path)


def check_search(harness: FlowHarness, version: ModelVersion) -> None:
    """The cards of before have vectors by themselves; an embedder that cannot be had is told."""
    kept = open_index(harness.settings).payloads([v.id for v in harness.versions()])
    assert [payload["embedder"] for payload in kept.values()] == [version.id] * 2
    found = harness.run("models", "search", "rhymes", "--json")
    assert (json.loads(found.out)[0]["model"], found.err) == (POET, "")
    wrong = harness.run("models", "search", "sonnet", MODELYARD_CARD_EMBEDDER="ada/nobody")
    assert POET in wrong.out
    assert "by words alone" in wrong.err


def check_embeddings(harness: FlowHarness, key: str, tmp_path: Path) -> None:
    env = environment(harness.data)
    with gateway_process(env, tmp_path) as gateway, worker_process(env):
        with gateway.http() as http:
            await_worker(http)
        client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)
        assert {m.id for m in client.models.list()} == {ENCODER, POET}
        texts = ["a sonnet", "some rhymes", "python functions"]
        given = client.embeddings.create(model=ENCODER, input=texts).data
    one, alike, other = (np.array(row.embedding) for row in given)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert one @ alike > one @ other


def test_rankers_and_classifiers_are_served_as_validated(
    harness: FlowHarness, tmp_path: Path, key: str
) -> None:
    """/v1/rerank and /v1/classify by what validation found; the lists say of which kind each is."""
    with harness.database() as database:
        for model, labels in ((RANKER, ("fits",)), (JUDGE, ("bad", "good"))):
            path = Bert(CLASSIFIER, labels).write(tmp_path / model, external=model == RANKER)
            facts = validate_onnx(path, path.name, None, "text-classification")
            files = [path, *(file for file in path.parent.iterdir() if file != path)]
            stored = [(file.name, harness.store.put(file)) for file in files]
            parts = [StoredFile(name, kept.sha256, kept.size) for name, kept in stored]
            Catalog(database).register(model, model, "c" * 40, facts, parts, {})
    env = environment(harness.data)
    with gateway_process(env, tmp_path) as gateway, worker_process(env), gateway.http(key) as http:
        await_worker(http)
        check_scores(http)
    assert "classify" in harness.run("models", "list").out


def await_worker(http: httpx2.Client) -> None:
    deadline = time.monotonic() + 60
    while not http.get("/health/ready").is_success:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def check_scores(http: httpx2.Client) -> None:
    def ask(path: str, body: dict[str, Any]) -> Any:
        answer = http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    ranks = ask("/v1/rerank", {"model": RANKER, "query": "def", "documents": ["a", "class"]})
    assert {row["index"] for row in ranks["results"]} == {0, 1}
    (row,) = ask("/v1/classify", {"model": JUDGE, "input": "def"})["data"]
    assert sum(row["probs"]) == pytest.approx(1)
    kinds = {
        m["name"]: m["versions"][0]["kind"] for m in http.get("/api/v1/models").json()["models"]
    }
    assert kinds == {RANKER: "rerank", JUDGE: "classify"}


def test_what_cannot_be_taken_says_what_can(harness: FlowHarness, publish: Publish) -> None:
    """An encoder in safetensors alone is refused, with where to find it in a form we take."""
    publish("ada/torch", {"model.safetensors": b"x", "config.json": json.dumps({}).encode()},
            pipeline_tag="sentence-similarity")  # fmt: skip
    outcome = harness.add(repo="ada/torch")
    assert outcome.status == 11
    assert "onnx/model.onnx" in outcome.err
