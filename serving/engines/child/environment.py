"""The environment of a process that reads untrusted files: it contains no secrets."""

import os

from modelyard.registry.catalog.model import Format

_PASSED_ON = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV"})
_PASSED_ON_PREFIXES = ("LC_", "PYTHON", "OMP_", "GGML_", "LLAMA_", "CUDA_", "NVIDIA_", "ORT_")

# glibc allocates huge pages; other C libraries ignore the setting. 2% more speed for 1 to 4% more
# memory. Not for ONNX, whose memory estimates would then be off by more than allowed.
_OWN: dict[str, dict[str, str]] = {
    Format.GGUF: {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
}


def child_environment(form: str = "") -> dict[str, str]:
    """The variables that engine libraries need, without MODELYARD_ variables and tokens."""
    passed_on = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }
    return _OWN.get(form, {}) | passed_on
