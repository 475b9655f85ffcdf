"""The engines of this machine: which are installed, and whether they use its GPU."""

import sys
from importlib.metadata import distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.registry.errors import how_to_install
from modelyard.serving.cli.checks.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from modelyard.serving.engines.llama_cpp.trial.trial import Trial

_CUDA = "CUDAExecutionProvider"
_GGUF = "GGUF engine"
_ONNX = "ONNX engine"


def gguf_engine(folder: Path) -> Finding:
    """Tries it on this processor now; `folder` remembers the result for the workers."""
    if find_spec("llama_cpp") is None:
        fix = f"Where models are to be served: {how_to_install('gguf')}"
        return warn(_GGUF, "llama_cpp is not installed", fix)
    from modelyard.serving.engines.llama_cpp.trial.result import try_anew
    from modelyard.serving.engines.llama_cpp.trial.trial import TrialImpossible
    from modelyard.serving.worker.devices.nvidia import find_gpus

    try:
        trial = try_anew(folder)
    except TrialImpossible as error:
        return fail(
            _GGUF, error.message, error.fix or "See that it can be loaded and /tmp written."
        )
    return gguf_finding(trial, has_gpu=bool(find_gpus()))


def gguf_finding(trial: "Trial", *, has_gpu: bool) -> Finding:
    """What a trial says, and what the build makes of this machine."""
    from modelyard.serving.engines.llama_cpp.trial.summary import uses
    from modelyard.serving.engines.llama_cpp.trial.trial import REBUILD

    tried = f"tried here, {uses(trial, Path(sys.prefix))}"
    found = f"llama_cpp {version('llama-cpp-python')}"
    if not trial.works:
        return fail(_GGUF, f"{found} fails on this processor: {trial}", REBUILD)
    if trial.gpu:
        return ok(_GGUF, f"{found}, with GPU support; {tried}")
    if has_gpu:
        fix = "Build it with `CMAKE_ARGS=-DGGML_CUDA=on make setup`, or the GPU stays idle."
        return warn(_GGUF, f"{found}, without GPU support", fix)
    return ok(_GGUF, f"{found}, for the processor; {tried}")


def onnx_engine() -> Finding:
    from modelyard.serving.worker.devices.nvidia import find_gpus

    if find_spec("onnxruntime") is None:
        fix = f"For embeddings and rerankers (with a GPU onnx-gpu): {how_to_install('onnx-cpu')}"
        return warn(_ONNX, "onnxruntime is not installed", fix)
    both = _both_builds()
    if both:
        fix = "Uninstall both, then install one: the extra onnx-gpu where there is a GPU."
        return warn(_ONNX, f"{both} overwrite one another", fix)
    import onnxruntime

    return onnx_finding(onnxruntime, has_gpu=bool(find_gpus()))


def onnx_finding(runtime: Any, *, has_gpu: bool) -> Finding:
    """What the module `onnxruntime` can use here; a GPU that it cannot is never passed over."""
    providers = runtime.get_available_providers()
    short = [name.removesuffix("ExecutionProvider") for name in providers]
    found = f"onnxruntime {runtime.__version__}: {', '.join(short)}"
    if not has_gpu:
        return ok(_ONNX, found)
    if _CUDA not in providers:
        fix = "Install the extra onnx-gpu in place of onnx-cpu, or encoders run on the processor."
        return warn(_ONNX, f"{found}, without CUDA", fix)
    if not _opens_on_cuda(runtime):
        fix = "Check the driver, CUDA and cuDNN against the ones this onnxruntime was built for."
        return warn(_ONNX, f"{found}, but CUDA does not load", fix)
    return ok(_ONNX, found)


def _both_builds() -> str:
    """The two builds of ONNX Runtime share a module: named where both are installed."""
    names = {(d.metadata["Name"] or "").lower() for d in distributions()}
    both = {"onnxruntime", "onnxruntime-gpu"}
    return " and ".join(sorted(both)) if both <= names else ""


def _opens_on_cuda(runtime: Any) -> bool:
    """Whether a session really is placed there: the list of providers says so without CUDA too."""
    from onnx import TensorProto, helper

    sides = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "one", sides[:1], sides[1:])
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(model, options, providers=[_CUDA, "CPUExecutionProvider"])
    return _CUDA in session.get_providers()
