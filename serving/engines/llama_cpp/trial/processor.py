"""This machine's CPU features, by llama.cpp's and the kernel's names."""

import hashlib
import platform
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_FLAGS = {
    # x86
    "SSE3": "pni", "SSSE3": "ssse3", "AVX": "avx", "AVX2": "avx2", "F16C": "f16c", "FMA": "fma",
    "BMI2": "bmi2", "AVX_VNNI": "avx_vnni", "AVX512": "avx512f", "AVX512_VBMI": "avx512vbmi",
    "AVX512_VNNI": "avx512_vnni", "AVX512_BF16": "avx512_bf16", "AMX_INT8": "amx_int8",
    # ARM
    "NEON": "asimd", "FP16_VA": "asimdhp", "DOTPROD": "asimddp", "MATMUL_INT8": "i8mm",
    "SVE": "sve", "SME": "sme",
}  # fmt: skip
"""Features llama.cpp can use, by its own name, with the kernel's flag."""

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Processor:
    """The CPU family (`x86_64`, `aarch64`) and the kernel's flags, empty if it lists none."""

    family: str
    flags: frozenset[str]

    @property
    def identity(self) -> str:
        """Equal for processors that run the same binaries."""
        text = " ".join([self.family, *sorted(self.flags)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def has(self, feature: str) -> bool:
        return _FLAGS[feature] in self.flags

    def unused(self, used: Collection[str]) -> tuple[str, ...]:
        """The processor's features that a build using `used` does not use."""
        return tuple(name for name in _FLAGS if self.has(name) and name not in used)


def this_processor(cpuinfo: Path = CPUINFO) -> Processor:
    text = cpuinfo.read_text() if cpuinfo.is_file() else ""
    lines = (line.partition(":") for line in text.splitlines())
    flags = (value for key, _, value in lines if key.strip() in {"flags", "Features"})
    return Processor(platform.machine(), frozenset(next(flags, "").split()))


def used_features(system_info: str) -> tuple[str, ...]:
    """The features in llama.cpp's line `CPU : AVX = 1 | AVX2 = 1 | REPACK = 1 | `."""
    _, _, processor = system_info.partition("CPU :")
    pairs = (part.partition("=") for part in processor.split("|"))
    on = {name.strip() for name, _, value in pairs if value.strip() == "1"}
    return tuple(name for name in _FLAGS if name in on)
