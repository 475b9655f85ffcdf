#!/usr/bin/env bash
# Make .venv and install Modelyard with its extras at the pinned versions, and a llama.cpp that
# works on this processor (deployments/setting_up.py).
# Env: PYTHON (an interpreter >= 3.11), EXTRAS (comma-separated names of pyproject's extras),
# CMAKE_ARGS (for llama.cpp, such as -DGGML_CUDA=on).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
extras=${EXTRAS:-gguf,onnx-cpu,flows,dashboard,dev}

"$python" - <<'PY' || exit 1
import sys
if sys.version_info < (3, 11):
    sys.exit(f"Modelyard needs Python 3.11 or newer, {sys.executable} is {sys.version.split()[0]}. Try: make setup PYTHON=python3.11")
PY

# llama-cpp-python is compiled for this machine the first time; its wheel is cached after that.
if [[ ",$extras," == *,gguf,* ]] && ! command -v "${CXX:-c++}" >/dev/null; then
  if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    apt-get update -qq -o Acquire::Retries=3 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Acquire::Retries=3 --no-install-recommends build-essential
  else
    echo "A C++ compiler is needed to build llama.cpp. Debian: apt-get install build-essential" >&2
    exit 1
  fi
fi

[[ -x .venv/bin/python ]] || "$python" -m venv .venv
[[ -x .venv/bin/uv ]] || .venv/bin/python -m pip install --quiet "uv>=0.9"
echo "Installing Modelyard [$extras]; the first time llama.cpp is compiled, about 3 minutes on 2 cores."
# Nothing is installed yet: the package is found where it lies.
PYTHONPATH=src .venv/bin/python -m modelyard.deployments.setting_up "$extras"
.venv/bin/python -m compileall -q dashboard deployments flows registry serving
touch .venv/.ready
