"""ONNX Runtime's providers: which there are, and whether each gives the processor's vectors."""

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.report import GpuReport
from modelyard.serving.engines.onnx.placement import Provider
from modelyard.serving.worker.devices.device import Device
from tests.models.onnx_tiny import Bert
from tests.serving.engines.processes import engine_process

LIKE = 0.999
TEXTS = ["a short text", "def f(x): return x", "words " * 40]


def check(report: GpuReport, device: Device) -> None:
    """Compare each GPU provider with the processor; those that are not there are named."""
    report.section("ONNX providers")
    if find_spec("onnxruntime") is None:
        report.note("onnxruntime is not installed: not seen.")
        return
    import onnxruntime

    os.environ.update(device.environment)  # the engines below see this device alone
    available = onnxruntime.get_available_providers()
    with tempfile.TemporaryDirectory() as folder:
        shape = Bert(width=384, inner=1536, layers=6, heads=12, positions=512)
        path = shape.write(Path(folder))
        reference = _vectors(path, Provider.CPU)
        report.check("the processor answers", holds=np.isfinite(reference).all())
        for provider in (Provider.CUDA, Provider.TENSORRT):
            if provider.full not in available:
                report.note(f"{provider.full} is not in this ONNX Runtime: not seen.")
                continue
            likeness = float((_vectors(path, provider) * reference).sum(-1).min())
            report.check(provider.full, holds=likeness >= LIKE, seen=f"cosine {likeness:.5f}")


def _vectors(path: Path, provider: Provider) -> Any:
    layers = 0 if provider is Provider.CPU else -1
    options = {"provider": provider.value}
    with engine_process(
        format="onnx", path=str(path), gpu_layers=layers, options=options, context_length=0
    ) as engine:
        found = engine.client().embeddings.create(model="m", input=TEXTS)
    return np.array([one.embedding for one in found.data])
