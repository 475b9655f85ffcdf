"""A build is measured against its original by the real engine, and held to the bounds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from modelyard.flows.errors import GateFailed, NoMatchingFile
from modelyard.flows.steps.build.built import BuiltModel
from modelyard.flows.steps.build.quantize import Quantizer
from modelyard.flows.steps.evaluate.generator import Evaluator, read_text
from modelyard.flows.steps.evaluate.quality_gate import QualityBounds, check_gate
from modelyard.flows.steps.validate.validate import validate
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.catalog.model import Format, ModelFacts, StoredFile
from modelyard.registry.store import Store
from modelyard.serving.errors import ModelUnloadable
from tests.models.tiny import Tiny

LOOSE = QualityBounds(perplexity_ratio=2.0, kl_mean=2.0, chance_share=1000)
TEXT = read_text(None)[:4000]


@pytest.fixture
def original(store: Store, tiny: Path) -> BuiltModel:
    kept = store.put(tiny)
    file = StoredFile(tiny.name, kept.sha256, kept.size)
    return BuiltModel(file, validate(tiny, tiny.name), file)


@pytest.fixture
def evaluator(store: Store, results: BuildRecords) -> Evaluator:
    return Evaluator(store, results, TEXT, threads=1, bounds=LOOSE)


@pytest.fixture
def quantized(
    store: Store, results: BuildRecords, original: BuiltModel
) -> Callable[[str], BuiltModel]:
    def make(to: str) -> BuiltModel:
        maker = Quantizer(store, results, threads=1)
        made = maker.quantize(original.file, "F16", to, lambda _done, _total: None)
        return BuiltModel(made, validate(store.path(made.sha256), made.path), original.file)

    return make


def test_an_original_is_measured_alone(evaluator: Evaluator, original: BuiltModel) -> None:
    """Nothing was lost, so there is nothing to compare with."""
    metrics = evaluator.evaluate(original)
    assert metrics["perplexity"] > 1
    assert metrics["tokens_per_second"] > 0
    assert metrics["memory_bytes"] > 0
    assert "kl_mean" not in metrics


def test_a_quantized_build_is_compared_with_its_source(
    evaluator: Evaluator, quantized: Callable[[str], BuiltModel]
) -> None:
    """Perplexity of both, their ratio, and how far the predictions lie apart."""
    metrics = evaluator.evaluate(quantized("Q8_0"))
    both = metrics["perplexity"] / metrics["perplexity_original"]
    assert metrics["perplexity_ratio"] == pytest.approx(both)
    assert 0 <= metrics["kl_mean"] < 0.1
    assert 0.8 < metrics["top1_agreement"] <= 1


def test_the_same_is_measured_once(
    evaluator: Evaluator, original: BuiltModel, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time the numbers come from the registry: no engine is started."""
    first = evaluator.evaluate(original)
    monkeypatch.setattr("sys.executable", str(store.root / "no-python"))
    assert evaluator.evaluate(original) == first


def test_a_build_beyond_the_bounds_is_refused_with_its_numbers(
    evaluator: Evaluator, quantized: Callable[[str], BuiltModel]
) -> None:
    """Bounds that nothing meets: the error names what was measured and what is allowed."""
    strict = replace(evaluator, bounds=replace(LOOSE, kl_mean=1e-9))
    with pytest.raises(GateFailed, match="KL divergence") as caught:
        strict.evaluate(quantized("Q4_0"))
    assert caught.value.exit_code == 12
    assert "1e-09" in caught.value.message


@pytest.mark.parametrize(
    ("metrics", "passes"),
    [
        ({"perplexity": 5.0}, True),
        ({"perplexity": 5.0, "perplexity_ratio": 1.1, "kl_mean": 0.1}, True),
        ({"perplexity": 5.0, "perplexity_ratio": 1.11, "kl_mean": 0.0}, False),
        ({"perplexity": 5.0, "perplexity_ratio": 1.0, "kl_mean": 0.11}, False),
        ({"perplexity": float("nan")}, False),
        ({"perplexity": 5.0, "perplexity_ratio": float("nan"), "kl_mean": 0.0}, False),
        ({"perplexity": float("inf")}, False),
    ],
)
def test_the_gate(metrics: dict[str, float], *, passes: bool) -> None:
    """At the bound passes, beyond it does not, and no number is no pass."""
    file = StoredFile("m.gguf", "0" * 64, 1)
    build = BuiltModel(file, ModelFacts(Format.GGUF, "llama"), file)
    if passes:
        check_gate(build, metrics, QualityBounds(1.1, 0.1))
    else:
        with pytest.raises(GateFailed):
            check_gate(build, metrics, QualityBounds(1.1, 0.1))


def test_a_text_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A wrong path is the caller's to mend."""
    with pytest.raises(NoMatchingFile, match=r"none.txt"):
        read_text(tmp_path / "none.txt")


def test_the_bundled_text_is_long_enough() -> None:
    """Some thousand tokens for any tokenizer."""
    assert 20_000 < len(read_text(None)) < 30_000


def test_a_model_that_predicts_no_better_than_chance_is_refused(
    evaluator: Evaluator, original: BuiltModel
) -> None:
    """Random weights have a perplexity like the size of their vocabulary, or worse."""
    strict = replace(evaluator, bounds=QualityBounds(perplexity_ratio=2.0, kl_mean=2.0))
    with pytest.raises(GateFailed, match="no better than chance"):
        strict.evaluate(original)


@pytest.mark.parametrize(
    ("known", "other", "says"),
    [
        (b"llama-bpe", b"llama-bpx", "the pre-tokenizer 'llama-bpx'"),
        (b"llama", b"llamb", "the architecture 'llamb'"),
    ],
)
def test_what_llama_cpp_does_not_know_is_named_with_the_authors_name_of_the_file(
    evaluator: Evaluator, store: Store, tmp_path: Path, known: bytes, other: bytes, says: str
) -> None:
    """It may be newer than what is installed; where the store keeps it helps nobody."""
    path = Tiny(vocabulary=512).write(tmp_path / "new-f32.gguf")
    path.write_bytes(path.read_bytes().replace(known, other))
    kept = store.put(path)
    file = StoredFile("files/new-f32.gguf", kept.sha256, kept.size)
    with pytest.raises(ModelUnloadable, match="does not know") as caught:
        evaluator.evaluate(BuiltModel(file, validate(path, path.name), file))
    assert says in caught.value.message
    assert file.path in caught.value.message
    assert str(store.root) not in str(caught.value)
