"""An ONNX graph is asked before its weights are fetched: what it names is what comes."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from modelyard.flows.errors import ModelRefused
from modelyard.flows.ingest import tasks
from modelyard.flows.ingest.run import IngestRun
from modelyard.flows.steps.build.built import BuiltModel
from modelyard.flows.steps.choose.candidate import FileSelection, SelectionRequest
from modelyard.flows.steps.choose.choose import choose
from modelyard.flows.steps.hub.hub import HubSnapshot
from modelyard.flows.steps.hub.resolve import resolve
from modelyard.registry.catalog.model import Format
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.folder import hold_model
from modelyard.serving.engines.onnx.load import load
from tests.flows.ingest.conftest import REPO
from tests.models.numpy_bert import NumpyBert
from tests.models.onnx_tiny import Bert, tokens
from tests.models.onnx_weights import Layout, lay_out_weights, rename_outputs
from tests.serving.engines.processes import config

SHAPE = Bert(layers=1)
LAYOUTS: dict[str, Layout] = {
    "one constant in a file named after itself": lambda name: (
        name if name.startswith("Constant_") else "model.onnx_data"
    ),
    "weights.pb": lambda _: "weights.pb",
    "one file a tensor": lambda name: name,
    "in several parts": lambda name: f"model.onnx_data_{len(name) % 3}",
}


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return SHAPE.write(tmp_path / "model")


def put(publish: Callable[..., None], folder: Path) -> None:
    """The graph and its weights one folder down, as most keep them."""
    small = {"config.json", "tokenizer.json"}
    publish(REPO, {("" if f.name in small else "onnx/") + f.name: f.read_bytes()
                   for f in folder.iterdir()})  # fmt: skip


def selected(job: IngestRun) -> tuple[HubSnapshot, FileSelection]:
    snapshot = resolve(job.context.settings.hub, REPO, "main")
    return snapshot, choose(snapshot, SelectionRequest())


def built(job: IngestRun) -> BuiltModel:
    snapshot, choice = selected(job)
    (model,) = tasks.build(job, tasks.fetch(job, snapshot, choice), snapshot)
    return model


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_come_in_whatever_files_the_graph_names(
    job: IngestRun, publish: Callable[..., None], graph: Path, layout: str
) -> None:
    """All in the graph's folder, and the vectors are those of the whole."""
    weights = lay_out_weights(graph, LAYOUTS[layout])
    put(publish, graph.parent)
    model = built(job)
    assert {f"onnx/{file.name}" for file in weights} <= {file.path for file in model.files}
    with hold_model(job.context.store, Format.ONNX, model.files) as path:
        given = EngineConfig(**config(format="onnx", path=str(path), context_length=0))
        with closing(load(given)) as engine:
            found = asyncio.run(engine.embed(("the model",), dimensions=None, truncate=False))
    known = NumpyBert(SHAPE.described, SHAPE.weights()).mean(*tokens("the model"))
    assert np.abs(np.frombuffer(found.rows[0], "<f4") - known).max() <= 1e-4


def test_a_file_that_the_graph_does_not_name_is_not_fetched(
    job: IngestRun, publish: Callable[..., None], graph: Path
) -> None:
    """However it is called."""
    graph.with_name("model.onnx_data").write_bytes(bytes(1000))
    put(publish, graph.parent)
    assert "onnx/model.onnx_data" not in {file.path for file in built(job).files}


def test_what_is_all_here_is_found_by_its_graph(
    job: IngestRun, publish: Callable[..., None], graph: Path
) -> None:
    """A graph with weights elsewhere is known as registered, as one without is."""
    lay_out_weights(graph, lambda _: "model.onnx_data")
    put(publish, graph.parent)
    snapshot, choice = selected(job)
    model = built(job)
    job.context.catalog.register(REPO, REPO, snapshot.commit, model.facts, model.files, {})
    assert job.context.known.versions(REPO, snapshot, choice, ())


def refusal(job: IngestRun, sent: Callable[[], int], weights: list[Path]) -> ModelRefused:
    """How an ingest is refused before any weights are sent."""
    snapshot, choice = selected(job)
    with pytest.raises(ModelRefused) as caught:
        tasks.fetch(job, snapshot, choice)
    small = sum(f.size for f in (choice.model.parts[0], *choice.companion_files))
    assert sent() <= small < small + sum(file.stat().st_size for file in weights)
    return caught.value


def test_weights_that_are_not_in_the_repository_are_named_first(
    job: IngestRun, publish: Callable[..., None], graph: Path, sent: Callable[[], int]
) -> None:
    """Gigabytes are not fetched in vain."""
    weights = lay_out_weights(graph, LAYOUTS["one constant in a file named after itself"])
    lost = graph.with_name("Constant_7_attr__value")
    content = lost.read_bytes()
    lost.unlink()
    put(publish, graph.parent)
    lost.write_bytes(content)
    error = refusal(job, sent, weights)
    assert "onnx/Constant_7_attr__value" in error.message
    assert "not complete" in error.fix


def test_outputs_without_telling_names_are_refused_with_what_to_do(
    job: IngestRun, publish: Callable[..., None], graph: Path, sent: Callable[[], int]
) -> None:
    """Which of `output` and `463` is the vector is not guessed."""
    weights = lay_out_weights(graph, lambda _: "model.onnx_data")
    rename_outputs(graph, "output", "463")
    put(publish, graph.parent)
    error = refusal(job, sent, weights)
    assert "output, 463" in error.message
    assert "optimum-cli" in error.fix
    assert "harm" not in str(error)
