"""Copies of the installed llama.cpp in which some functions are broken: a fault of the compiler."""

import platform
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

from modelyard.serving.engines.llama_cpp.trial.result import library_folder

CPU = "libggml-cpu.so"
BASE = "libggml-base.so"
"""The kernels of the processor, and what is compiled for every processor of the family."""

_X86 = platform.machine() in {"x86_64", "AMD64"}
ILLEGAL = b"\x0f\x0b" if _X86 else bytes(4)  # ud2; udf #0
"""An instruction that no processor has."""

RETURN = b"\xc3" if _X86 else b"\xc0\x03\x5f\xd6"
"""A function that does nothing: whoever calls it goes on with whatever was there."""

KERNELS = r"ggml_(vec_dot|gemm|gemv)_{}(_\w+)?"
"""Format it with a type: the products with quantized rows, by whichever way."""

EVERY_PRODUCT = KERNELS.format(r"\w+")
AT_LOAD = "ggml_backend_cpu_reg"
"""What a program calls before it computes anything."""


def broken_llama(folder: Path, pattern: str, code: bytes = ILLEGAL, library: str = CPU) -> Path:
    """A copy in `folder` whose exported functions of these names begin with that code."""
    source = library_folder()
    assert source is not None
    shutil.copytree(source, folder)
    for file in folder.glob(f"{library}*"):
        image = bytearray(file.read_bytes())
        places = [place for name, place in functions(image) if re.fullmatch(pattern, name)]
        assert places, f"{library} has no {pattern}"
        for place in places:
            image[place : place + len(code)] = code
        file.unlink()  # it may be one file with uv's copy of it
        file.write_bytes(image)
    return folder


def functions(image: bytes | bytearray) -> Iterator[tuple[str, int]]:
    """Name and place in the file of every function that a 64-bit ELF library exports."""
    (start,) = struct.unpack_from("<Q", image, 40)
    size, count = struct.unpack_from("<2H", image, 58)
    heads = [struct.unpack_from("<2I4Q2I2Q", image, start + size * n) for n in range(count)]
    symbols = next(head for head in heads if head[1] == 11)  # SHT_DYNSYM
    names = heads[symbols[6]]
    for offset in range(symbols[4], symbols[4] + symbols[5], 24):
        name, kind, _, section, address, _ = struct.unpack_from("<I2BH2Q", image, offset)
        if kind & 15 == 2 and section:  # STT_FUNC, defined here
            begin = names[4] + name
            end = image.index(b"\0", begin)
            yield image[begin:end].decode(), address - heads[section][3] + heads[section][4]
