"""An environment in which llama.cpp runs on CUDA: the present one, or one of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".venv-gpu"
EXTRAS = "gguf,flows,dev"


def again_with_cuda(arguments: list[str]) -> int:
    """Run the check where llama.cpp has CUDA; builds that place at the first time."""
    python = Path(sys.executable)
    if not _has_cuda(python):
        python = PLACE / "bin" / "python"
        if not (python.exists() and _has_cuda(python)):
            _build(python)
    command = [str(python), "-m", "benchmarks.gpu", "--built", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _has_cuda(python: Path) -> bool:
    ask = "import llama_cpp, sys; sys.exit(not llama_cpp.llama_supports_gpu_offload())"
    return (
        subprocess.run([str(python), "-c", ask], check=False, capture_output=True).returncode == 0
    )


def _build(python: Path) -> None:
    """As `make setup` builds it, tried on this machine's processor, too."""
    if shutil.which("nvcc") is None:
        sys.exit("Building llama.cpp for CUDA needs its toolkit: nvcc is not on the PATH.")
    uv = Path(shutil.which("uv") or Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--python", sys.executable, str(PLACE)], check=True)
    settings = {
        "CMAKE_ARGS": f"-DGGML_CUDA=on {os.environ.get('CMAKE_ARGS', '')}".strip(),
        "PATH": f"{uv.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),  # nothing is installed yet
    }
    command = [str(python), "-m", "modelyard.deployments.setting_up", f"{EXTRAS},onnx-gpu"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, check=True)
