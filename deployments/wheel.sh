#!/usr/bin/env bash
# Build a wheel with the hot path compiled (docs/decisions/0015) into a folder, usually dist.
set -euo pipefail
out=$(realpath -m "${1:-dist}")
cd "$(dirname "$0")/.."
# By way of the source distribution: what is compiled is a copy, and this tree stays as it is.
HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 .venv/bin/uv build --quiet \
  --build-constraint constraints.txt --out-dir "$out" .
