"""`doctor` tells which engines are here, and a GPU that they do not use."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from modelyard.serving.cli.checks.engines import (
    gguf_engine,
    gguf_finding,
    onnx_engine,
    onnx_finding,
)
from modelyard.serving.engines.llama_cpp.trial.build_record import Built, note_built
from modelyard.serving.engines.llama_cpp.trial.processor import this_processor
from modelyard.serving.engines.llama_cpp.trial.result import FILE
from modelyard.serving.engines.llama_cpp.trial.summary import uses
from modelyard.serving.engines.llama_cpp.trial.trial import Trial
from tests.models.broken_llama import KERNELS, broken_llama

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"


@dataclass
class CudaRuntime:
    """ONNX Runtime's GPU build, which says it has CUDA, and places sessions where it can."""

    providers: list[str]
    really: list[str]
    __version__: str = "1.0"
    SessionOptions: Any = onnxruntime.SessionOptions

    def get_available_providers(self) -> list[str]:
        return self.providers

    def InferenceSession(self, model: bytes, options: Any, **_: Any) -> "CudaRuntime":  # noqa: N802
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
    silent = onnx_finding(CudaRuntime([CUDA, CPU], [CPU]), has_gpu=True)
    assert silent.level == "warn"
    assert "does not load" in silent.found
    assert onnx_finding(CudaRuntime([CUDA, CPU], [CUDA, CPU]), has_gpu=True).level == "ok"


def test_llama_cpp_is_tried_here(tmp_path: Path) -> None:
    """Not only found: what it uses of the processor is told, and the result kept for workers."""
    finding = gguf_engine(tmp_path)
    assert (finding.level, finding.check) == ("ok", "GGUF engine")
    assert "tried here" in finding.found
    assert (tmp_path / FILE).is_file()


def test_a_llama_cpp_that_dies_here_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doctor itself lives on, names the signal and the quantizations, and says what to do."""
    broken = broken_llama(tmp_path / "lib", KERNELS.format("q4_K"))
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(broken))
    finding = gguf_engine(tmp_path)
    assert finding.level == "fail"
    assert "SIGILL with Q4_K_M" in finding.found
    assert "make setup" in finding.fix


def test_a_llama_cpp_that_cannot_be_loaded_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reason is told."""
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path))
    finding = gguf_engine(tmp_path)
    assert finding.level == "fail"
    assert "not found" in finding.found
    assert finding.fix


def test_a_gpu_that_llama_cpp_does_not_use_is_a_warning() -> None:
    """One that works on the processor alone; with GPU support all is well."""
    assert gguf_finding(Trial(), has_gpu=True).level == "warn"
    assert gguf_finding(Trial(gpu=True), has_gpu=True).level == "ok"


def test_a_reduced_build_is_told_with_its_reason(tmp_path: Path) -> None:
    """What set-up had to leave out, and what this processor has and is not used."""
    built = Built("without AMX", "1", "p", "", {}, "k", because="SIGILL with Q8_0")
    note_built(built, tmp_path)
    text = uses(Trial(features=()), tmp_path)
    assert "built without AMX, because the one before failed: SIGILL with Q8_0" in text
    everything = this_processor().unused(())
    assert all(feature in text for feature in everything)
