"""The ways to build llama.cpp, the fastest first: each leaves out what may fail in the one before.

uv keeps a wheel for the settings that it was built with, and knows nothing of the environment or
of the processor: both are put into a setting (`key`), or a wheel that was built for another
processor, or without CUDA, would be taken for this one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from modelyard.serving.engines.llama_cpp.trial.build_record import Built
from modelyard.serving.engines.llama_cpp.trial.processor import Processor

_ALWAYS = "-DLLAVA_BUILD=OFF"
"""The vision part of llama.cpp is not used: leaving it out shortens the build."""

_NO_AMX = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
_NO_AVX = "-DGGML_AVX=OFF -DGGML_AVX2=OFF -DGGML_FMA=OFF -DGGML_F16C=OFF -DGGML_BMI2=OFF"


@dataclass(frozen=True, slots=True)
class LlamaBuild:
    """A name that follows "built"; what it adds to CMake's arguments and to the compilers'."""

    name: str
    cmake: str = ""
    flags: str = ""


@dataclass(frozen=True, slots=True)
class Compiling:
    """For what and with what is compiled: `given` is the user's environment."""

    processor: Processor
    version: str
    given: Mapping[str, str]

    @property
    def cmake_args(self) -> str:
        return self.given.get("CMAKE_ARGS", "")

    def built(self, build: LlamaBuild, cmake_args: str, because: str = "") -> Built:
        """The user's own arguments stay; ours come last and win."""
        environment = {
            "CMAKE_ARGS": " ".join(f"{_ALWAYS} {cmake_args} {build.cmake}".split()),
            **{name: f"{self._own(name)} {build.flags}".strip() for name in ("CFLAGS", "CXXFLAGS")},
        }
        compilers = [self._own("CC"), self._own("CXX")]
        parts = [self.processor.identity, *environment.values(), *compilers]
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        return Built(
            name=build.name,
            version=self.version,
            processor=self.processor.identity,
            cmake_args=cmake_args,
            environment=environment,
            key=key,
            because=because,
        )

    def _own(self, name: str) -> str:
        return self.given.get(name, "")


def builds_for(processor: Processor, cmake_args: str) -> tuple[LlamaBuild, ...]:
    """What this processor can run, the fastest first; who asks for no native build gets none."""
    intel = processor.family in {"x86_64", "AMD64"}
    least = "-DGGML_NATIVE=OFF" + (f" {_NO_AVX}" if intel else "")
    last = LlamaBuild(f"for any {processor.family} processor", least)
    if "GGML_NATIVE=OFF" in cmake_args:
        return LlamaBuild("as CMAKE_ARGS says"), last
    builds = [LlamaBuild("for this very processor")]
    if intel and processor.has("AMX_INT8"):
        builds.append(LlamaBuild("without AMX", flags=_NO_AMX))
    if intel and processor.has("AVX512"):
        builds.append(LlamaBuild("without AVX-512", flags=f"{_NO_AMX} -mno-avx512f"))
    if intel and processor.has("AVX2"):
        builds.append(LlamaBuild("for any processor with AVX2", "-DGGML_NATIVE=OFF"))
    return *builds, last
