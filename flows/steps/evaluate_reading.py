"""A build that reads, tried by the engine that will serve it: vectors, scores or labels."""

import hashlib
import json
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from flows.errors import GateFailed
from flows.steps.built import Build
from flows.steps.gate import Bounds, check_reading
from flows.steps.reading import Reading, cosine
from flows.steps.reading_texts import pieces, triples
from flows.steps.trials import TEXTS, TRIALS, Metrics, places, speed
from registry.names import Format, StoredFile
from registry.results import Results
from registry.store import Store
from serving.engines.child import open_child, settings_for
from serving.engines.config import EngineConfig
from serving.engines.folder import hold_model
from serving.errors import EngineFailed

LONGEST = 512
"""Tokens of a text that is tried; a model's own length where that is shorter."""

_MORE = 1 << 30
"""Bytes an engine may take beside twice what is predicted: who takes more is made to do harm."""


@dataclass(frozen=True, slots=True)
class ReadingEvaluator:
    """Tries builds, each once for what it is tried on.

    `told` hears how many texts were read, and of how many.
    """

    store: Store
    results: Results
    text: str
    threads: int
    bounds: Bounds
    told: Callable[[int, int], None]

    def evaluate(self, build: Build) -> Metrics:
        """Metrics by name; raises GateFailed, or ModelUnloadable with the engine's reason."""
        candidate, reference, recipe = build.file.sha256, build.source.sha256, self._recipe(build)
        metrics = self.results.evaluated(candidate, reference, recipe)
        if metrics is None:
            metrics = self._measured(build)
            self.results.record_evaluation(candidate, reference, recipe, metrics)
        check_reading(build, metrics, self.bounds)
        return metrics

    def _recipe(self, build: Build) -> str:
        """What the result hangs on: all files, how they are read, and the texts."""
        details = json.dumps(build.facts.details, sort_keys=True)
        whole = [*(file.sha256 for file in build.files), details, repr(triples()), self.text]
        return f"reading:1:{hashlib.sha256(chr(0).join(whole).encode()).hexdigest()[:32]}"

    def _measured(self, build: Build) -> Metrics:
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

    def _compared(self, build: Build, reading: Reading) -> Metrics:
        """How near a quantized build's vectors are to those of what it was made from."""
        if not build.is_made:
            return {}
        with self._opened(build, (build.source, *build.beside)) as original:
            ours, theirs = (chain(*places(one)) for one in (reading, original))
            near = list(map(cosine, ours, theirs))
        return {"cosine_original": math.fsum(near) / len(near), "cosine_original_least": min(near)}

    @contextmanager
    def _opened(self, build: Build, files: tuple[StoredFile, ...]) -> Generator[Reading]:
        """The engine that serves such a build, in a process of its own with bounded memory."""
        facts, total = build.facts, self._texts(build)
        with hold_model(self.store, facts.format, files) as path:
            config = settings_for(
                path,
                facts.format,
                name=files[0].path,
                context_length=min(LONGEST, facts.context_length or LONGEST),
                threads=self.threads,
                options=facts.details.get("engine_options"),
            )
            limit = 2 * _needed(config) + _MORE
            with open_child(config, memory_limit=limit) as engine:
                yield Reading(engine, files[0].path, lambda done: self.told(done, total))

    def _texts(self, build: Build) -> int:
        """How many texts the build itself will read."""
        each = TEXTS[build.facts.kind] + (3 if build.is_made else 0)
        return each * len(triples()) + len(pieces(self.text))


def _needed(config: EngineConfig) -> int:
    """Bytes that serving predicts for such an engine."""
    if config.format == Format.ONNX:
        from serving.engines.onnx.estimate import estimate

        return estimate(config).total
    from serving.engines.llama_cpp.estimate import estimate as estimate_gguf

    return estimate_gguf(config).total
