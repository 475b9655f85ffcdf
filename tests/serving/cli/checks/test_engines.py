"""`doctor` tells which engines are here, and a GPU that they do not use."""

from dataclasses import dataclass
from typing import Any

import onnxruntime

from serving.cli.checks.engines import onnx_engine, onnx_finding

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@dataclass
class Runtime:
    """ONNX Runtime's GPU build, which says it has CUDA, and places sessions where it can."""

    providers: list[str]
    really: list[str]
    __version__: str = "1.0"
    SessionOptions: Any = onnxruntime.SessionOptions

    def get_available_providers(self) -> list[str]:
        return self.providers

    def InferenceSession(self, model: bytes, options: Any, **_: Any) -> "Runtime":  # noqa: N802
        onnxruntime.InferenceSession(model, options, providers=[CPU])
        return self

    def get_providers(self) -> list[str]:
        return self.really


def test_the_real_one_is_told_with_its_version() -> None:
    """As it is installed here."""
    finding = onnx_engine()
    assert onnxruntime.__version__ in finding.found
    assert "CPU" in finding.found


def test_a_gpu_without_its_provider_is_a_warning() -> None:
    """The processor's build on a machine with a GPU: nothing would say so otherwise."""
    here = onnx_finding(onnxruntime, has_gpu=True)
    assert here.level == "warn"
    assert "onnx-gpu" in here.fix
    assert onnx_finding(onnxruntime, has_gpu=False).level == "ok"


def test_a_provider_that_does_not_load_is_a_warning() -> None:
    """The GPU build lists CUDA where there is none, and runs on the processor in silence."""
    silent = onnx_finding(Runtime([CUDA, CPU], [CPU]), has_gpu=True)
    assert silent.level == "warn"
    assert "does not load" in silent.found
    assert onnx_finding(Runtime([CUDA, CPU], [CUDA, CPU]), has_gpu=True).level == "ok"
