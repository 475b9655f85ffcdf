"""What a process that reads files from strangers gets of our environment: none of our secrets."""

import os

from modelyard.registry.catalog.model import Format

_PASSED_ON = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV"})
_PASSED_ON_PREFIXES = ("LC_", "PYTHON", "OMP_", "GGML_", "LLAMA_", "CUDA_", "NVIDIA_", "ORT_")

# glibc asks for huge pages, other C libraries do not know it: 2% more speed for 1 to 4% more
# memory. Not for ONNX, whose estimates it would put off by more than they may be.
_OWN: dict[str, dict[str, str]] = {
    Format.GGUF: {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
}


def child_environment(form: str = "") -> dict[str, str]:
    """What the libraries of an engine need, and nothing that is named MODELYARD_ or is a token."""
    passed_on = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }
    return _OWN.get(form, {}) | passed_on
