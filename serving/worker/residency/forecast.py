"""Predicts a version's memory on this device: estimate, correct, and learn once it is loaded."""

import json
from dataclasses import dataclass, field, replace

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.fleet.memory_observations import Likeness, MemoryObservations, Observation
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.footprint import Footprint
from modelyard.serving.worker.residency.correction import corrected
from modelyard.serving.worker.residency.launch import memory_needed

NOTEWORTHY = 0.01
"""A measurement is recorded when it exceeds the last recorded one by this share."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A version's predicted memory by part, and the basis of the prediction."""

    likeness: Likeness
    estimated: Footprint
    expected: Footprint


@dataclass(slots=True)
class Forecaster:
    """Predicts memory for one kind of device; blocks on the database."""

    observations: MemoryObservations
    device_kind: str
    _noted: dict[str, int] = field(default_factory=dict[str, int])

    def predict(self, config: EngineConfig, version: ModelVersion) -> Forecast:
        """Predict a version's memory; raises ModelUnloadable for a broken file."""
        estimated = memory_needed(config, version)
        likeness = _likeness(self.device_kind, config, version)
        known = self.observations.on(self.device_kind)
        return Forecast(likeness, estimated, corrected(estimated, likeness, known))

    def learn(self, forecast: Forecast, told: Footprint, held: int) -> None:
        """Record what a loaded version holds: the parts its engine `told`, `held` bytes in all."""
        measured = attributed(forecast.estimated, told, held)
        noted = self._noted.get(forecast.likeness.key, 0)
        if measured.total > noted * (1 + NOTEWORTHY):
            seen = forecast.estimated.as_json(), measured.as_json()
            self.observations.record(Observation(forecast.likeness, *seen))
            self._noted[forecast.likeness.key] = measured.total


def attributed(estimated: Footprint, told: Footprint, held: int) -> Footprint:
    """Split `held` bytes into parts: as the engine reported them, the rest being process overhead.

    If the engine reports no parts, the estimate's error goes to the process overhead, and to the
    compute buffers only where the overhead would fall below 0: tensor sizes are known to the byte,
    those of threads and allocators are not.
    """
    if told.weights:
        model = replace(told, process=0)
        return replace(model, process=max(held, told.total) - model.total)
    missed = held - estimated.total
    process = max(0, estimated.process + missed)
    to_compute = missed - (process - estimated.process)
    return replace(estimated, compute=max(0, estimated.compute + to_compute), process=process)


def _likeness(device_kind: str, config: EngineConfig, version: ModelVersion) -> Likeness:
    return Likeness(
        device_kind=device_kind,
        format=config.format,
        architecture=version.facts.architecture,
        quantization=version.facts.quantization or "",
        size=version.size,
        context_length=config.context_length,
        parallel=config.parallel,
        batch=config.batch,
        options=json.dumps({**config.options, "kv_type": config.kv_type}, sort_keys=True),
    )
