"""Evaluates a build that writes text against its source, using its serving engine."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from modelyard.flows.errors import GateFailed, NoMatchingFile
from modelyard.flows.steps.build.built import BuiltModel
from modelyard.flows.steps.evaluate.quality_gate import QualityBounds, check_gate
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.catalog.model import StoredFile
from modelyard.registry.store import Store
from modelyard.serving.engines.llama_cpp.evaluation import measure
from modelyard.serving.engines.llama_cpp.evaluation.findings import (
    Comparison,
    TextMeasurement,
    Told,
    untold,
)
from modelyard.serving.engines.llama_cpp.evaluation.measure import MeasureFailed

LONGEST_CHUNK = 512
"""Tokens that a model reads at once, unless its context is shorter."""

_BUNDLED = "evaluation_text.txt"


def read_text(path: Path | None) -> str:
    """The evaluation text: the caller's file, or the bundled one (public domain)."""
    if path is None:
        return (files("modelyard.flows.steps.evaluate") / _BUNDLED).read_text(encoding="utf-8")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NoMatchingFile(
            f"The evaluation text {path} cannot be read: {error}.",
            fix="Give --eval-text a UTF-8 text file.",
        ) from None


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Measures builds, each once per text; `told` receives the tokens read."""

    store: Store
    results: BuildRecords
    text: str
    threads: int
    bounds: QualityBounds
    told: Told = untold

    def evaluate(self, build: BuiltModel) -> dict[str, float]:
        """Metrics by name; raises GateFailed, or the engine's error if it cannot run."""
        candidate = build.file.sha256
        reference = build.source.sha256
        recipe = self._recipe(build)
        metrics = self.results.evaluated(candidate, reference, recipe)
        if metrics is None:
            with _named(build.file, self.store):
                metrics = self._smoke(build) | self._measure(build)
            self.results.record_evaluation(candidate, reference, recipe, metrics)
        check_gate(build, metrics, self.bounds)
        return metrics

    def _smoke(self, build: BuiltModel) -> dict[str, float]:
        """Raise GateFailed if a build generates no tokens even with the end token suppressed."""
        written = measure.smoke(self.store.path(build.file.sha256))
        if not written.tokens:
            raise GateFailed(
                f"{build.file.path} loads but writes not a single token.",
                fix="It may not be a language model; take another file with --file.",
            )
        return {"smoke_tokens": float(written.tokens), "smoke_ended": float(written.ended)}

    def _measure(self, build: BuiltModel) -> dict[str, float]:
        path = self.store.path(build.file.sha256)
        way = (_chunk(build), self.threads)
        if not build.is_made:
            return _of_one(measure.perplexity(path, self.text, *way, told=self.told))
        source = self.store.path(build.source.sha256)
        return _of_two(measure.compare(source, path, self.text, *way, told=self.told))

    def _recipe(self, build: BuiltModel) -> str:
        text = hashlib.sha256(self.text.encode()).hexdigest()[:16]
        return f"perplexity-kl:2:{text}:{_chunk(build)}"


@contextmanager
def _named(file: StoredFile, store: Store) -> Generator[None]:
    """Have errors call the file as its author does, not by its place in the store."""
    try:
        yield
    except MeasureFailed as error:
        said = error.message.replace(str(store.path(file.sha256)), file.path)
        raise type(error)(said, fix=error.fix) from None


def _chunk(build: BuiltModel) -> int:
    return min(LONGEST_CHUNK, build.facts.context_length or LONGEST_CHUNK)


def _of_one(found: TextMeasurement) -> dict[str, float]:
    return {
        "perplexity": found.perplexity,
        "tokens_per_second": found.tokens_per_s,
        "memory_bytes": float(found.memory_bytes),
        "load_seconds": found.load_s,
        "evaluated_tokens": float(found.tokens),
    }


def _of_two(found: Comparison) -> dict[str, float]:
    return {
        "perplexity": found.perplexity_candidate,
        "perplexity_original": found.perplexity_reference,
        "perplexity_ratio": found.perplexity_candidate / found.perplexity_reference,
        "kl_mean": found.kl_mean,
        "kl_p99": found.kl_p99,
        "top1_agreement": found.top1_agreement,
        "tokens_per_second": found.tokens_per_s_candidate,
        "tokens_per_second_original": found.tokens_per_s_reference,
        "memory_bytes": float(found.memory_bytes),
        "load_seconds": found.load_s,
        "evaluated_tokens": float(found.tokens),
    }
