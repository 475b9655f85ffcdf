"""llama.cpp's own server, built once from the source that our pinned llama-cpp-python ships."""

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

from benchmarks.environments import environment

_FLAGS = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": "OFF",
    "LLAMA_BUILD_SERVER": "ON",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_APP": "OFF",
    "LLAMA_BUILD_UI": "OFF",
    "LLAMA_USE_PREBUILT_UI": "OFF",
    "LLAMA_OPENSSL": "OFF",
}
"""Nothing here changes the arithmetic: ggml's own defaults are those of the Python package."""


def llama_server(cache: Path) -> Path:
    """The program; fetched and built at first use, which takes five minutes on two cores."""
    pinned = version("llama-cpp-python")
    folder = cache / f"llama-server-{pinned}"
    program = folder / "build" / "bin" / "llama-server"
    if not program.exists():
        print(f"building {program} …", file=sys.stderr)
        source = _source(cache, folder, pinned)
        _build(source, folder / "build")
    return program


def _source(cache: Path, folder: Path, pinned: str) -> Path:
    """With a pip of our own: an environment made by uv has none."""
    python = environment(cache, "fetch", ["pip"])
    fetch = ["pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder)]
    subprocess.run([python, "-m", *fetch, f"llama-cpp-python=={pinned}"], check=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.glob("*/vendor/llama.cpp"))


def _build(source: Path, build: Path) -> None:
    flags = [f"-D{name}={value}" for name, value in _FLAGS.items()]
    subprocess.run(["cmake", "-S", source, "-B", build, "-G", "Ninja", *flags], check=True)
    cores = str(len(os.sched_getaffinity(0)))
    command = ["nice", "cmake", "--build", build, "--target", "llama-server", "-j", cores]
    subprocess.run(command, check=True)
