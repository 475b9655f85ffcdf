"""Evaluates a build that reads text, using its serving engine: vectors, scores or labels."""

import hashlib
import json
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from modelyard.flows.errors import GateFailed
from modelyard.flows.steps.build.built import BuiltModel
from modelyard.flows.steps.evaluate.quality_gate import QualityBounds, check_reading
from modelyard.flows.steps.evaluate.reading import EncoderUnderTest, cosine
from modelyard.flows.steps.evaluate.texts import pieces, triples
from modelyard.flows.steps.evaluate.trials import TEXTS, TRIALS, Metrics, places, speed
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.catalog.model import Format, StoredFile
from modelyard.registry.store import Store
from modelyard.serving.engines.child.child import open_child, settings_for
from modelyard.serving.engines.child.memory_limit import memory_limit
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.folder import hold_model
from modelyard.serving.errors import EngineFailed

LONGEST = 512
"""Maximum tokens of an evaluated text, unless the model's own limit is lower."""

"""Bytes an engine may use beyond twice the prediction; a larger use is treated as malicious."""


@dataclass(frozen=True, slots=True)
class EncoderEvaluator:
    """Evaluates builds, each once per recipe.

    `told` receives the number of texts read and the total.
    """

    store: Store
    results: BuildRecords
    text: str
    threads: int
    bounds: QualityBounds
    told: Callable[[int, int], None]

    def evaluate(self, build: BuiltModel) -> Metrics:
        """Metrics by name; raises GateFailed, or ModelUnloadable with the engine's reason."""
        candidate = build.file.sha256
        reference = build.source.sha256
        recipe = self._recipe(build)
        metrics = self.results.evaluated(candidate, reference, recipe)
        if metrics is None:
            metrics = self._measured(build)
            self.results.record_evaluation(candidate, reference, recipe, metrics)
        check_reading(build, metrics, self.bounds)
        return metrics

    def _recipe(self, build: BuiltModel) -> str:
        """The key of a result: all files, how they are read, and the texts."""
        details = json.dumps(build.facts.details, sort_keys=True)
        whole = [*(file.sha256 for file in build.files), details, repr(triples()), self.text]
        return f"reading:1:{hashlib.sha256(chr(0).join(whole).encode()).hexdigest()[:32]}"

    def _measured(self, build: BuiltModel) -> Metrics:
        kind = build.facts.kind
        try:
            with self._opened(build, build.files) as reading:
                found = TRIALS[kind](reading) | self._compared(build, reading)
                return found | speed(reading, kind, self.text)
        except EngineFailed as error:
            raise GateFailed(
                f"{build.file.path} loads but does not answer: {error.message}",
                fix="It does not run as its files say; take another file or revision.",
            ) from error

    def _compared(self, build: BuiltModel, reading: EncoderUnderTest) -> Metrics:
        """Cosine between a quantized build's vectors and those of its source."""
        if not build.is_made:
            return {}
        with self._opened(build, (build.source, *build.beside)) as original:
            ours, theirs = (chain(*places(one)) for one in (reading, original))
            near = list(map(cosine, ours, theirs))
        return {"cosine_original": math.fsum(near) / len(near), "cosine_original_least": min(near)}

    @contextmanager
    def _opened(
        self, build: BuiltModel, files: tuple[StoredFile, ...]
    ) -> Generator[EncoderUnderTest]:
        """The engine that serves this kind of build, in a child process with bounded memory."""
        facts = build.facts
        total = self._texts(build)
        with hold_model(self.store, facts.format, files) as path:
            config = settings_for(
                path,
                facts.format,
                name=files[0].path,
                context_length=min(LONGEST, facts.context_length or LONGEST),
                threads=self.threads,
                options=facts.details.get("engine_options"),
            )
            limit = memory_limit(_needed(config), threads=self.threads)
            with open_child(config, memory_limit=limit) as engine:
                yield EncoderUnderTest(engine, files[0].path, lambda done: self.told(done, total))

    def _texts(self, build: BuiltModel) -> int:
        """The number of texts that the build itself reads."""
        each = TEXTS[build.facts.kind] + (3 if build.is_made else 0)
        return each * len(triples()) + len(pieces(self.text))


def _needed(config: EngineConfig) -> int:
    """The memory in bytes that serving predicts for this engine."""
    if config.format == Format.ONNX:
        from modelyard.serving.engines.onnx.estimate import estimate

        return estimate(config).total
    from modelyard.serving.engines.llama_cpp.model.estimate import estimate as estimate_gguf

    return estimate_gguf(config).total
