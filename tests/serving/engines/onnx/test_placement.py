"""A model runs where it was placed or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.engines.onnx.placement import Provider, ProviderChoice, open_session
from modelyard.serving.errors import ModelUnloadable
from tests.serving.engines.processes import config, refusal

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"


class FallbackRuntime:
    """ONNX Runtime as it behaves with a driver missing: it claims CUDA and falls back."""

    class SessionOptions:
        """Remembers what was set."""

        def __init__(self) -> None:
            self.entries: dict[str, str] = {}

        def add_session_config_entry(self, name: str, value: str) -> None:
            self.entries[name] = value

    def __init__(self, claims: list[str], gives: list[str]) -> None:
        self.claims = claims
        self.gives = gives
        self.asked: dict[str, Any] = {}

    def get_available_providers(self) -> list[str]:
        return self.claims

    def InferenceSession(self, path: str, options: Any, **given: Any) -> "FallbackRuntime":  # noqa: N802
        self.asked = given | {"entries": options.entries}
        return self

    def get_providers(self) -> list[str]:
        return self.gives


def placed(**options: Any) -> ProviderChoice:
    return ProviderChoice.of(EngineConfig(**config(format="onnx", options=options)))


def test_a_silent_fallback_is_an_error() -> None:
    """CUDA claimed, CPU given: the model is refused with both names."""
    runtime = FallbackRuntime([CUDA, CPU], [CPU])
    with pytest.raises(ModelUnloadable, match=f"{CPU} in place of {CUDA}"):
        open_session(runtime, Path("m.onnx"), placed(provider="cuda"), {})


def test_a_provider_that_is_not_built_in_is_an_error() -> None:
    """The fix names the extra to install."""
    with pytest.raises(ModelUnloadable) as caught:
        open_session(FallbackRuntime([CPU], [CPU]), Path("m.onnx"), placed(provider="tensorrt"), {})
    assert "onnx-gpu" in caught.value.fix


def test_a_gpu_session_forbids_the_processor_unless_told() -> None:
    """Single operators on the processor are allowed by option only, and there is no fallback."""
    strict = FallbackRuntime([CUDA, CPU], [CUDA])
    loose = FallbackRuntime([CUDA, CPU], [CUDA])
    open_session(strict, Path("m.onnx"), placed(provider="cuda"), {})
    open_session(loose, Path("m.onnx"), placed(provider="cuda", cpu_nodes=True), {})
    assert strict.asked["entries"]["session.disable_cpu_ep_fallback"] == "1"
    assert "session.disable_cpu_ep_fallback" not in loose.asked["entries"]
    assert strict.asked["enable_fallback"] == 0
    assert [name for name, _ in strict.asked["providers"]] == [CUDA]


def test_tensorrt_keeps_what_it_builds(tmp_path: Path) -> None:
    """The cache's folder is made, and told to the provider with the shapes to build for."""
    runtime = FallbackRuntime([TENSORRT, CUDA, CPU], [TENSORRT, CUDA])
    cache = tmp_path / "cache"
    placement = placed(provider="tensorrt", engine_cache=str(cache))
    open_session(runtime, Path("m.onnx"), placement, {"trt_profile_min_shapes": "x:1x1"})
    name, settings = runtime.asked["providers"][0]
    assert name == TENSORRT
    assert settings["trt_engine_cache_path"] == str(cache)
    assert settings["trt_profile_min_shapes"] == "x:1x1"
    assert cache.is_dir()


def test_gpu_layers_mean_cuda_unless_a_provider_is_named() -> None:
    """The worker on a GPU says so as it does for GGUF."""
    on_gpu = EngineConfig(**config(format="onnx", gpu_layers=-1))
    assert ProviderChoice.of(on_gpu).provider is Provider.CUDA
    assert placed().provider is Provider.CPU
    with pytest.raises(ModelUnloadable, match="'npu'"):
        placed(provider="npu")


def test_a_machine_without_cuda_says_so_in_one_line(tmp_path: Path) -> None:
    """The process ends with 3 and the reason; it does not serve from the processor instead."""
    from tests.models.onnx_tiny import Bert

    path = str(Bert().write(tmp_path))
    line = json.dumps(config(format="onnx", path=path, options={"provider": "cuda"}))
    status, answer = refusal(line)
    assert status == 3
    assert CUDA in answer["error"]["message"]
