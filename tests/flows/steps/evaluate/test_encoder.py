"""A build that reads is tried by the real engine; answers that make no sense are refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modelyard.flows.errors import GateFailed
from modelyard.flows.steps.build.built import BuiltModel
from modelyard.flows.steps.build.quantize import Quantizer
from modelyard.flows.steps.evaluate.encoder import EncoderEvaluator
from modelyard.flows.steps.evaluate.generator import read_text
from modelyard.flows.steps.evaluate.quality_gate import QualityBounds, check_reading
from modelyard.flows.steps.validate.onnx import validate_onnx
from modelyard.flows.steps.validate.validate import validate
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.catalog.model import Format, Kind, ModelFacts, StoredFile
from modelyard.registry.store import Store
from modelyard.serving.errors import ModelUnloadable
from tests.models import onnx_hostile
from tests.models.known_encoder import KnownEncoder
from tests.models.onnx_tiny import CLASSIFIER, MARKER, Bert
from tests.models.tiny_bert import TinyBert

LOOSE = QualityBounds(perplexity_ratio=2.0, kl_mean=2.0, similar=0.0, cosine=0.9)
Built = Callable[[Path], BuiltModel]


@pytest.fixture
def built(store: Store) -> Built:
    """A folder's ONNX model as a build, its files in the store."""

    def make(path: Path) -> BuiltModel:
        facts = validate_onnx(path, path.name)
        files = [path, *(file for file in sorted(path.parent.iterdir()) if file != path)]
        stored = [(file.name, store.put(file)) for file in files]
        graph, *beside = (StoredFile(name, kept.sha256, kept.size) for name, kept in stored)
        return BuiltModel(graph, facts, graph, beside=tuple(beside))

    return make


@pytest.fixture
def evaluator(store: Store, results: BuildRecords) -> EncoderEvaluator:
    return EncoderEvaluator(store, results, read_text(None)[:2000], 1, LOOSE, lambda *_: None)


def test_an_encoder_is_measured_once_and_followed(
    evaluator: EncoderEvaluator, built: Built, tmp_path: Path
) -> None:
    """Finite, of length one, the same again; text by text; the second time from the registry."""
    heard: list[tuple[int, int]] = []
    build = built(Bert().write(tmp_path / "m", external=True))
    told = replace(evaluator, told=lambda done, total: heard.append((done, total)))
    metrics = told.evaluate(build)
    assert metrics["embedding_length"] == 32
    assert metrics["norm_error"] < 1e-5
    assert metrics["repeat_difference"] == 0
    assert metrics["tokens_per_second"] > 0
    assert metrics["memory_bytes"] > 10_000_000
    assert heard[-1][0] == heard[-1][1]
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    again = replace(evaluator, told=lambda *_: pytest.fail("it was measured again"))
    assert again.evaluate(build) == metrics


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        (Bert(CLASSIFIER, ("fits",)), "score_spread"),
        (Bert(CLASSIFIER, ("a", "b", "c")), "sum_error"),
        (Bert(CLASSIFIER, ("a", "b"), config={"problem_type": "multi_label_classification"}),
         "probability_most"),
        (Bert(MARKER, ("O", "B-X", "I-X")), "spans"),
    ],
)  # fmt: skip
def test_each_kind_is_tried_by_its_own_endpoint(
    evaluator: EncoderEvaluator, built: Built, tmp_path: Path, shape: Bert, name: str
) -> None:
    """Scores, labels, labels that are questions of their own, spans."""
    assert name in evaluator.evaluate(built(shape.write(tmp_path / "m")))


def test_a_gguf_encoder_is_compared_with_its_source(
    evaluator: EncoderEvaluator, store: Store, results: BuildRecords, tmp_path: Path
) -> None:
    """Pooling in its header makes it one; quantized, its vectors stay near the original's."""
    path = TinyBert(width=256, inner=256).write(tmp_path / "bert-f32.gguf")
    kept = store.put(path)
    file = StoredFile(path.name, kept.sha256, kept.size)
    facts = validate(path, path.name)
    assert facts.kind is Kind.EMBED
    made = Quantizer(store, results, 1).quantize(file, "F32", "Q8_0", lambda *_: None)
    build = BuiltModel(made, validate(store.path(made.sha256), made.path), file)
    metrics = evaluator.evaluate(build)
    assert 0.99 < metrics["cosine_original"] <= 1
    with pytest.raises(GateFailed, match="MODELYARD_GATE_MIN_COSINE"):
        replace(evaluator, bounds=replace(LOOSE, cosine=1.0)).evaluate(build)


def broken(folder: Path) -> Path:
    """An encoder one of whose words lies nowhere."""

    class Nowhere(KnownEncoder):
        def _places(self, vocabulary: list[str]) -> np.ndarray:
            return np.full((len(vocabulary), 64), np.nan, np.float32)

    return Nowhere(["word"]).write(folder)


def test_vectors_that_are_no_numbers_are_refused(
    evaluator: EncoderEvaluator, built: Built, tmp_path: Path
) -> None:
    """Broken weights load well."""
    with pytest.raises(GateFailed, match="no numbers"):
        evaluator.evaluate(built(broken(tmp_path / "m")))


def test_a_graph_that_takes_all_memory_is_refused(
    evaluator: EncoderEvaluator, built: Built, tmp_path: Path
) -> None:
    """The engine that tries it has a bound: the machine does not feel it."""
    path = onnx_hostile.write(tmp_path / "m", onnx_hostile.size_from_text)
    with pytest.raises((GateFailed, ModelUnloadable)):
        evaluator.evaluate(built(path))


def test_an_encoder_that_tells_nothing_apart_is_refused(
    evaluator: EncoderEvaluator, built: Built, tmp_path: Path
) -> None:
    """It knows no word of the texts: all lie at one place."""
    build = built(KnownEncoder(["word"]).write(tmp_path / "m"))
    with pytest.raises(GateFailed, match="MODELYARD_GATE_MIN_SIMILAR"):
        replace(evaluator, bounds=replace(LOOSE, similar=0.7)).evaluate(build)


@pytest.mark.parametrize(
    ("metrics", "details", "fault"),
    [
        ({"score_least": float("nan"), "score_spread": 1.0}, {}, "no numbers"),
        ({"score_least": 0.5, "score_spread": 0.0}, {}, "same score"),
        ({"probability_least": -0.1, "probability_most": 1.0}, {}, "between 0 and 1"),
        ({"sum_error": 0.5}, {}, "add up to 1"),
        ({"sum_error": 0.5}, {"many_labels": True}, ""),
        ({"norm_error": 0.1}, {"normalised": True}, "length 1"),
        ({"norm_error": 0.1}, {"normalised": False}, ""),
        ({"repeat_difference": 0.01}, {}, "twice"),
        ({"repeat_difference": float("nan")}, {}, "twice"),
        ({"spans_outside": 1.0}, {}, "outside"),
    ],
)
def test_the_gate_for_reading(
    metrics: dict[str, float], details: dict[str, bool], fault: str
) -> None:
    """Each fault by its own number; a declaration decides what is one."""
    file = StoredFile("m.onnx", "0" * 64, 1)
    build = BuiltModel(file, ModelFacts(Format.ONNX, "bert", details=details), file)
    if not fault:
        check_reading(build, metrics, LOOSE)
        return
    with pytest.raises(GateFailed, match=fault):
        check_reading(build, metrics, LOOSE)
