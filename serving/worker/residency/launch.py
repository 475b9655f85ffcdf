"""How to load a version on this device: its engine's settings and the memory it needs."""

from dataclasses import dataclass, field
from pathlib import Path

from modelyard.registry.catalog.model import Format, ModelVersion
from modelyard.serving.engines.child.memory_limit import memory_limit
from modelyard.serving.engines.config import EngineConfig, KvType
from modelyard.serving.engines.footprint import Footprint
from modelyard.serving.worker.residency.fit import Pinned

MOST_CONTEXT = 8192
"""Default limit of a request's context in tokens, whatever the model allows."""

TOKEN_STACK = 64 * 1024
"""Bytes of stack for each token that a context holds: of 64 characters, with a KiB for each."""

DRIVER = 1 << 30
"""Bytes of main memory for a GPU's driver and its libraries; CUDA's take some hundred MiB."""

_CELL_BYTES = 32 * 1024
"""Bytes of KV cache per token for formats whose files do not say: those of a small model."""


@dataclass(frozen=True, slots=True)
class SpillRoom:
    """Each engine's prompt spill: limit in bytes, folder, and seconds of idleness before it."""

    limit: int = 0
    folder: str = ""
    after_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Launch:
    """The settings that all engines of a worker share; `context_length` 0 means the model's own."""

    host: str
    internal_token: str = field(repr=False)
    context_length: int
    parallel: int
    threads: int
    gpu_layers: int
    drain_s: float
    spill: SpillRoom = field(default_factory=SpillRoom)
    pinned: Pinned = field(default_factory=Pinned)
    draft_model: str = ""
    kv_type: KvType = "f16"
    speculate: bool = True
    store: str = ""

    def config(self, version: ModelVersion, path: Path) -> EngineConfig:
        return EngineConfig(
            version_id=version.id,
            model_name=version.ref,
            format=version.facts.format,
            path=str(path),
            store=self.store,
            internal_token=self.internal_token,
            context_length=self._context(version),
            parallel=self.parallel,
            threads=self.threads,
            gpu_layers=self.gpu_layers,
            host=self.host,
            chat_template=version.facts.chat_template,
            drain_s=self.drain_s,
            kv_type=self.kv_type,
            speculate=self.speculate,
            spill_bytes=self.spill.limit,
            spill_folder=self.spill.folder,
            spill_after_s=self.spill.after_s,
            options=version.facts.details.get("engine_options", {}),
        )

    def _context(self, version: ModelVersion) -> int:
        own = version.facts.context_length
        return min(self.context_length or MOST_CONTEXT, own) if own else self.context_length


def with_memory_limit(config: EngineConfig, expected: int, *, is_gpu: bool) -> EngineConfig:
    """The settings with a bound of main memory for an engine that should need `expected` bytes.

    An engine that tokenises with llama.cpp gets stacks as long as a text of its context may be. On
    a GPU the worker watches the bound (`host_memory.py`): weights pass through main memory on
    their way to the card, and the driver keeps something of its own there.
    """
    stacks = config.context_length * TOKEN_STACK if config.format == Format.GGUF else 0
    more = stacks + (DRIVER if is_gpu else 0)
    limit = memory_limit(expected, threads=config.threads, more=more)
    return config.model_copy(update={"host_memory_most" if is_gpu else "memory_limit": limit})


def memory_needed(config: EngineConfig, version: ModelVersion) -> Footprint:
    """Bytes by part, predicted before loading; raises ModelUnloadable for a broken file."""
    if config.format == Format.GGUF:
        return _gguf_needs(config)
    if config.format == Format.ONNX:
        from modelyard.serving.engines.onnx.estimate import estimate as estimate_onnx

        return estimate_onnx(config)
    cells = (config.context_length or MOST_CONTEXT) * config.parallel
    return Footprint(weights=version.size * 6 // 5, kv_cache=cells * _CELL_BYTES)


def _gguf_needs(config: EngineConfig) -> Footprint:
    """The estimate including the draft model, which runs in the same process."""
    from modelyard.serving.engines.llama_cpp.model.estimate import estimate

    own = estimate(config)
    if not config.draft_path:
        return own
    draft = estimate(config.model_copy(update={"path": config.draft_path}))
    return Footprint(
        weights=own.weights + draft.weights,
        kv_cache=own.kv_cache + draft.kv_cache,
        compute=own.compute + draft.compute,
        process=own.process,
    )
