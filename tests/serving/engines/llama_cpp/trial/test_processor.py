"""The processor is told as the kernel tells it, and llama.cpp's use of it as llama.cpp does."""

from pathlib import Path

import llama_cpp

from modelyard.serving.engines.llama_cpp.trial.processor import (
    Processor,
    this_processor,
    used_features,
)

SAPPHIRE_RAPIDS = Processor(
    "x86_64", frozenset({"pni", "ssse3", "avx", "avx2", "avx512f", "avx512_vnni", "amx_int8"})
)


def test_what_a_build_leaves_unused_is_named() -> None:
    """In llama.cpp's words, for `doctor` to say."""
    line = "CUDA : ARCHS = 900 | CPU : SSE3 = 1 | SSSE3 = 1 | AVX = 1 | AVX2 = 1 | REPACK = 1 | "
    used = used_features(line)
    assert used == ("SSE3", "SSSE3", "AVX", "AVX2")
    assert SAPPHIRE_RAPIDS.unused(used) == ("AVX512", "AVX512_VNNI", "AMX_INT8")


def test_nothing_is_used_that_is_not_there() -> None:
    """The library as it is installed, on the processor that runs this test."""
    used = used_features(llama_cpp.llama_print_system_info().decode())
    here = this_processor()
    assert used
    assert [name for name in used if not here.has(name)] == []


def test_another_processor_has_another_identity(tmp_path: Path) -> None:
    """The order in which the kernel lists the flags is no difference."""
    named = {}
    for name, flags in {"one": "avx avx2", "turned": "avx2 avx", "more": "avx avx2 amx"}.items():
        (tmp_path / name).write_text(f"processor : 0\nmodel name : X\nflags\t\t: {flags}\n\n" * 2)
        named[name] = this_processor(tmp_path / name).identity
    assert named["one"] == named["turned"] != named["more"]


def test_where_the_kernel_lists_nothing_nothing_is_known(tmp_path: Path) -> None:
    """Other systems have no such file."""
    assert this_processor(tmp_path / "none").flags == frozenset()
