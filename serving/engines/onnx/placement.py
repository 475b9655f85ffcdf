"""Where a model runs: one execution provider, verified, with no silent fallback."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.errors import ModelUnloadable


class Provider(StrEnum):
    """ONNX Runtime's execution providers by their common names."""

    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"

    @property
    def full(self) -> str:
        return {"cpu": "CPU", "cuda": "CUDA", "tensorrt": "Tensorrt"}[self] + "ExecutionProvider"


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """A provider and its settings.

    `cpu_nodes` allows single operators of a GPU model on the CPU (off by default); `cache` is
    TensorRT's cache folder for built engines.
    """

    provider: Provider
    cpu_nodes: bool = False
    cache: str = ""

    @classmethod
    def of(cls, config: EngineConfig) -> "ProviderChoice":
        """From the options `provider`, `cpu_nodes` and `engine_cache`; raises ModelUnloadable."""
        usual = Provider.CUDA if config.gpu_layers else Provider.CPU
        asked = config.options.get("provider", usual)
        if asked not in {provider.value for provider in Provider}:
            known = ", ".join(Provider)
            raise ModelUnloadable(f"No provider is called '{asked}'.", fix=f"Known are: {known}.")
        cache = str(config.options.get("engine_cache", ""))
        return cls(Provider(asked), bool(config.options.get("cpu_nodes")), cache)

    @property
    def on_gpu(self) -> bool:
        return self.provider is not Provider.CPU

    def providers(self, shapes: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
        """The provider list for ONNX Runtime; `shapes` are TensorRT's profile options."""
        cuda = (Provider.CUDA.full, {"arena_extend_strategy": "kSameAsRequested"})
        match self.provider:
            case Provider.CPU:
                return [(Provider.CPU.full, {})]
            case Provider.CUDA:
                return [cuda]
            case Provider.TENSORRT:
                return [(Provider.TENSORRT.full, dict(shapes) | self._cached()), cuda]

    def _cached(self) -> dict[str, str]:
        if not self.cache:
            return {}
        Path(self.cache).mkdir(parents=True, exist_ok=True)
        return {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": self.cache,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": self.cache,
        }


def open_session(
    runtime: Any, model: Path, placement: ProviderChoice, shapes: Mapping[str, str]
) -> Any:
    """Load the model on its provider; `runtime` is the module onnxruntime.

    Raises ModelUnloadable if any of it would run on another provider.
    """
    wanted = placement.provider.full
    if wanted not in runtime.get_available_providers():
        raise ModelUnloadable(
            f"ONNX Runtime has no {wanted} here.",
            fix="Install the extra onnx-gpu in place of onnx-cpu, or choose the provider cpu.",
        )
    try:
        session = runtime.InferenceSession(
            str(model),
            _options(runtime, placement),
            providers=placement.providers(shapes),
            enable_fallback=0,
        )
    except Exception as error:
        # ONNX Runtime's errors have no common base class.
        raise ModelUnloadable(f"ONNX Runtime cannot load {model.name}: {_first(error)}") from error
    if session.get_providers()[0] != wanted:
        found = ", ".join(session.get_providers())
        raise ModelUnloadable(
            f"{model.name} would run on {found} in place of {wanted}.",
            fix="Check the driver and the CUDA libraries; the log says what was missing.",
        )
    return session


def _options(runtime: Any, placement: ProviderChoice) -> Any:
    """Session options with one thread per run: parallel runs need no barriers between threads.

    Memory patterns are off: ONNX Runtime would keep one per batch shape, and a block as large as
    the largest besides the memory used before the pattern was known.
    """
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    if not placement.on_gpu:
        _grow_as_asked(runtime, options)
    if placement.on_gpu and not placement.cpu_nodes:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def _grow_as_asked(runtime: Any, options: Any) -> None:
    """Allocate main memory in regions of the requested size.

    With power-of-two regions, the lanes' memory varies by a tenth with the order of requests.
    """
    kind = runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = runtime.OrtMemoryInfo("Cpu", kind, 0, runtime.OrtMemType.DEFAULT)
    as_asked = runtime.OrtArenaCfg({"arena_extend_strategy": 1})
    runtime.create_and_register_allocator(memory, as_asked)
    options.add_session_config_entry("session.use_env_allocators", "1")


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:500] if str(error).strip() else type(error).__name__
