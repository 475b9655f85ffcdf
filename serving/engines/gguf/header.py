"""A GGUF file's header, read with limits and checked against the file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.serving.engines.gguf.blocks import BLOCKS, tensor_bytes
from modelyard.serving.engines.gguf.cursor import LARGEST_KEY, ArrayFacts, Cursor, MalformedGguf
from modelyard.serving.engines.gguf.unsupported import UnsupportedGguf

MOST_KEYS = 10_000
MOST_TENSORS = 100_000
LARGEST_HEADER = 64 << 20
LONGEST_NAME = 256
MOST_DIMENSIONS = 4
LONGEST_SIDE = 1 << 40
DEFAULT_ALIGNMENT = 32
_VERSIONS = (2, 3)
_NEWEST_VERSION = 16
_BEFORE_GGUF = (b"lmgg", b"fmgg", b"tjgg", b"algg")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor's entry: its shape, its ggml type, and the span [offset, offset + size) of it."""

    name: str
    kind: int
    shape: tuple[int, ...]
    offset: int
    size: int

    @property
    def values(self) -> int:
        count = 1
        for side in self.shape:
            count *= side
        return count


@dataclass(frozen=True, slots=True)
class Header:
    """All of a GGUF file but the weights; `size` is the whole file's, in bytes."""

    version: int
    size: int
    values: dict[str, Any]
    tensors: tuple[Tensor, ...]
    alignment: int = DEFAULT_ALIGNMENT

    @property
    def is_mappable(self) -> bool:
        """Whether llama.cpp can compute with the file mapped; it ends the process otherwise."""
        return self.alignment % DEFAULT_ALIGNMENT == 0

    @property
    def architecture(self) -> str:
        return str(self.values.get("general.architecture", "unknown"))

    def number(self, key: str, default: int = 0) -> int:
        """A number under the architecture's prefix; the maximum if it is an array (per layer)."""
        value = self.values.get(f"{self.architecture}.{key}", default)
        if isinstance(value, ArrayFacts):
            return int(max(value.numbers, default=default))
        return int(value) if isinstance(value, int | float) else default


def read(path: Path) -> Header:
    """The checked header; raises MalformedGguf with what is wrong, or UnsupportedGguf."""
    size = path.stat().st_size
    with path.open("rb") as file:
        data = file.read(LARGEST_HEADER)
    cursor = Cursor(data, is_all=size <= LARGEST_HEADER)
    version, tensor_count, key_count = _preamble(cursor)
    values = _values(cursor, key_count)
    tensors = _tensors(cursor, tensor_count)
    alignment = _alignment(values)
    _check_data(tensors, cursor.at, size, alignment)
    return Header(version, size, values, tensors, alignment)


def _preamble(cursor: Cursor) -> tuple[int, int, int]:
    magic = cursor.u32().to_bytes(4, "little")
    if magic in _BEFORE_GGUF:
        raise UnsupportedGguf(
            "it is in the format of before GGUF", "Convert the original model anew to GGUF."
        )
    if magic != b"GGUF":
        raise MalformedGguf(f"it begins with {magic!r}, not with b'GGUF'")
    version = cursor.u32()
    if version not in _VERSIONS:
        raise _unsupported_version(version)
    tensors = cursor.u64()
    keys = cursor.u64()
    if tensors > MOST_TENSORS or keys > MOST_KEYS:
        raise MalformedGguf(
            f"it claims {tensors:,} tensors and {keys:,} keys; "
            f"{MOST_TENSORS:,} and {MOST_KEYS:,} are allowed"
        )
    return version, tensors, keys


def _unsupported_version(version: int) -> UnsupportedGguf:
    turned = int.from_bytes(version.to_bytes(4, "little"), "big")
    if 0 < turned <= _NEWEST_VERSION:
        return UnsupportedGguf(
            "it is big-endian, for machines such as s390x",
            "Take the little-endian file; gguf-py's gguf-convert-endian makes one of it.",
        )
    if version < min(_VERSIONS):
        return UnsupportedGguf(
            f"GGUF version {version} is older than what llama.cpp reads (2 and 3)",
            "Take a newer file of the same model, or convert it anew.",
        )
    return UnsupportedGguf(
        f"GGUF version {version} is not one that is read here (2 and 3): it may be newer",
        "Update Modelyard and llama-cpp-python, or take an older file of the same model.",
    )


def _values(cursor: Cursor, count: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for _ in range(count):
        key = cursor.string(LARGEST_KEY)
        if key in values:
            raise MalformedGguf(f"the key {key!r} is there twice")
        values[key] = cursor.value(cursor.u32())
    return values


def _tensors(cursor: Cursor, count: int) -> tuple[Tensor, ...]:
    tensors = tuple(_tensor(cursor) for _ in range(count))
    if len({t.name for t in tensors}) != count:
        raise MalformedGguf("two tensors have the same name")
    return tensors


def _tensor(cursor: Cursor) -> Tensor:
    name = cursor.string(LONGEST_NAME)
    dimensions = cursor.u32()
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise MalformedGguf(f"the tensor {name!r} has {dimensions:,} dimensions")
    shape = tuple(cursor.u64() for _ in range(dimensions))
    kind = cursor.u32()
    offset = cursor.u64()
    if kind not in BLOCKS:
        raise UnsupportedGguf(
            f"the tensor {name!r} has the type {kind}, which is not known here: it may be newer",
            "Update Modelyard and llama-cpp-python, or take another quantization of the model.",
        )
    size = tensor_bytes(kind, shape)
    if size is None or not all(0 < side <= LONGEST_SIDE for side in shape):
        raise MalformedGguf(f"the tensor {name!r} has the impossible form {shape} of type {kind}")
    return Tensor(name, kind, shape, offset, size)


def _alignment(values: dict[str, Any]) -> int:
    alignment = values.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 16:
        raise MalformedGguf(f"the alignment {alignment!r} is not allowed")
    if alignment & (alignment - 1):
        raise UnsupportedGguf(
            f"its tensors are aligned to {alignment} bytes, and llama.cpp reads only those at "
            "powers of two",
            "Its author can write it anew without general.alignment; take another file until then.",
        )
    return alignment


def _check_data(tensors: tuple[Tensor, ...], end: int, size: int, alignment: int) -> None:
    """Check that every tensor is aligned, inside the file, and overlaps no other."""
    start = -(-end // alignment) * alignment
    free_from = 0
    for tensor in sorted(tensors, key=lambda t: t.offset):
        if tensor.offset % alignment:
            raise MalformedGguf(f"the tensor {tensor.name!r} is not aligned to {alignment} bytes")
        if tensor.offset < free_from:
            raise MalformedGguf(f"the tensor {tensor.name!r} lies over another one")
        free_from = tensor.offset + tensor.size
    if start + free_from > size:
        missing = start + free_from - size
        raise MalformedGguf(f"the file is cut off: {missing:,} bytes of its tensors are missing")
