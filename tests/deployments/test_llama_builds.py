"""Every way to build llama.cpp leaves out more than the one before, and has a wheel of its own."""

import platform
import subprocess
from pathlib import Path

import pytest

from modelyard.deployments.llama_builds import Compiling, builds_for
from modelyard.serving.engines.llama_cpp.trial.processor import Processor

AVX2 = frozenset({"avx", "avx2", "fma", "f16c", "bmi2"})
AVX512 = AVX2 | {"avx512f"}
AMX = AVX512 | {"amx_tile", "amx_int8", "amx_bf16"}


@pytest.mark.parametrize(
    ("family", "flags", "names"),
    [
        ("x86_64", AMX, ["very", "AMX", "AVX-512", "AVX2", "any x86_64"]),
        ("x86_64", AVX512, ["very", "AVX-512", "AVX2", "any x86_64"]),
        ("x86_64", AVX2, ["very", "AVX2", "any x86_64"]),
        ("x86_64", frozenset[str](), ["very", "any x86_64"]),
        ("aarch64", frozenset({"asimd"}), ["very", "any aarch64"]),
    ],
)
def test_what_a_processor_has_is_left_out_step_by_step(
    family: str, flags: frozenset[str], names: list[str]
) -> None:
    """What it does not have is no step."""
    builds = builds_for(Processor(family, flags), "")
    assert len(builds) == len(names)
    assert all(name in build.name for name, build in zip(names, builds, strict=True))


def test_who_wants_no_native_build_gets_none() -> None:
    """An image is built for other processors than the one that builds it."""
    builds = builds_for(Processor("x86_64", AMX), "-DGGML_NATIVE=OFF")
    assert all("GGML_NATIVE=OFF" in f"-DGGML_NATIVE=OFF {build.cmake}" for build in builds)
    assert [build.flags for build in builds] == ["", ""]


def test_the_users_own_arguments_stay_in_every_build() -> None:
    """CUDA is not lost where the processor's part has to be built in another way."""
    processor = Processor("x86_64", AMX)
    given = {"CMAKE_ARGS": "-DGGML_CUDA=on", "CFLAGS": "-g"}
    compiling = Compiling(processor, "1", given)
    for build in builds_for(processor, compiling.cmake_args):
        environment = compiling.built(build, compiling.cmake_args).environment
        assert "-DGGML_CUDA=on" in environment["CMAKE_ARGS"].split()
        assert environment["CFLAGS"].startswith("-g")


def test_no_two_builds_share_a_wheel() -> None:
    """Another step, another processor, other arguments, another compiler: another key."""
    keys = list[str]()
    for flags in (AMX, AVX2):
        for given in ({}, {"CMAKE_ARGS": "-DGGML_CUDA=on"}, {"CXX": "g++-13"}):
            compiling = Compiling(Processor("x86_64", flags), "1", given)
            builds = builds_for(compiling.processor, compiling.cmake_args)
            keys += [compiling.built(build, compiling.cmake_args).key for build in builds]
    assert len(keys) == len(set(keys)) == 3 * 5 + 3 * 3


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the flags are those of x86")
def test_the_flags_win_over_what_the_processor_has(tmp_path: Path) -> None:
    """llama.cpp adds -march=native behind ours: what we leave out stays out all the same."""
    source = tmp_path / "empty.c"
    source.touch()
    builds = {build.name: build for build in builds_for(Processor("x86_64", AMX), "")}
    for name, gone in {"without AMX": "__AMX_", "without AVX-512": "__AVX512"}.items():
        for target in ("native", "sapphirerapids"):
            flags = [*builds[name].flags.split(), f"-march={target}"]
            command = ["cc", *flags, "-dM", "-E", str(source)]
            macros = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert gone not in macros
