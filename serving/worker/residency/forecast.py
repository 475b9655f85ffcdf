"""What a version will take of this device: estimated, put right, and learned from once loaded."""

import json
from dataclasses import dataclass, field, replace

from modelyard.registry.catalog.model import ModelVersion
from modelyard.registry.fleet.memory_observations import Likeness, MemoryObservations, Observation
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.footprint import Footprint
from modelyard.serving.worker.residency.correction import corrected
from modelyard.serving.worker.residency.launch import memory_needed

NOTEWORTHY = 0.01
"""A measurement is written down when it has grown by this share since the last time."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The parts of a version's memory as predicted, and what the prediction rests on."""

    likeness: Likeness
    estimated: Footprint
    expected: Footprint


@dataclass(slots=True)
class Forecaster:
    """Predicts for one kind of device; blocks on the database."""

    observations: MemoryObservations
    device_kind: str
    _noted: dict[str, int] = field(default_factory=dict[str, int])

    def predict(self, config: EngineConfig, version: ModelVersion) -> Forecast:
        """Raises ModelUnloadable for a broken file."""
        estimated = memory_needed(config, version)
        likeness = _likeness(self.device_kind, config, version)
        known = self.observations.on(self.device_kind)
        return Forecast(likeness, estimated, corrected(estimated, likeness, known))

    def learn(self, forecast: Forecast, told: Footprint, held: int) -> None:
        """Note what a loaded version holds: the parts that its engine told, `held` bytes in all."""
        measured = attributed(forecast.estimated, told, held)
        noted = self._noted.get(forecast.likeness.key, 0)
        if measured.total > noted * (1 + NOTEWORTHY):
            seen = forecast.estimated.as_json(), measured.as_json()
            self.observations.record(Observation(forecast.likeness, *seen))
            self._noted[forecast.likeness.key] = measured.total


def attributed(estimated: Footprint, told: Footprint, held: int) -> Footprint:
    """`held` bytes by part: as the engine told them, the rest being the process's.

    Of an engine that tells no parts, what the estimate missed is the process's, and only what it
    cannot have held less of is the compute buffers': tensors are known to the byte, threads and
    allocators are not.
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
