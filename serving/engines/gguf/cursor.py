"""Reads GGUF data with a limit on everything that a hostile file could make large."""

import struct
from dataclasses import dataclass
from typing import Any

LARGEST_STRING = 4 << 20
LARGEST_KEY = 1024
MOST_ELEMENTS = 1_000_000
LARGEST_ARRAY = 16 << 20
DEEPEST_ARRAY = 2

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q",
            11: "<q", 12: "<d"}  # fmt: skip
_STRUCTS = {kind: struct.Struct(form) for kind, form in _SCALARS.items()}
_STRING = 8
_ARRAY = 9
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class MalformedGguf(Exception):
    """The bytes are not an accepted GGUF header; the message says where and why."""


@dataclass(frozen=True, slots=True)
class ArrayFacts:
    """An array's length, and its numbers if there are few."""

    length: int
    numbers: tuple[Any, ...] = ()


class Cursor:
    """A position in the header; every read is first checked against the end."""

    def __init__(self, data: bytes, *, is_all: bool) -> None:
        self._data = data
        self._is_all = is_all
        self.at = 0

    def u32(self) -> int:
        return _U32.unpack_from(self._data, self._step(4))[0]

    def u64(self) -> int:
        return _U64.unpack_from(self._data, self._step(8))[0]

    def string(self, largest: int = LARGEST_STRING) -> str:
        length = self.u64()
        if length > largest:
            raise MalformedGguf(f"a text of {length:,} bytes where {largest:,} are allowed")
        start = self._step(length)
        return self._data[start : start + length].decode("utf-8", errors="replace")

    def value(self, kind: int, depth: int = 0) -> Any:
        """One value: a number, a text, or an ArrayFacts."""
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self._array(depth)
        form = _STRUCTS.get(kind)
        if form is None:
            raise MalformedGguf(f"a value of the unknown type {kind} at byte {self.at:,}")
        return form.unpack_from(self._data, self._step(form.size))[0]

    def _array(self, depth: int) -> ArrayFacts:
        kind = self.u32()
        length = self.u64()
        start = self.at
        if depth >= DEEPEST_ARRAY:
            raise MalformedGguf("arrays nested too deep")
        if length > MOST_ELEMENTS:
            raise MalformedGguf(
                f"an array of {length:,} elements where {MOST_ELEMENTS:,} are allowed"
            )
        if kind in _STRUCTS:
            return self._numbers(_STRUCTS[kind], length)
        for _ in range(length):
            self._skip(kind, depth)
            if self.at - start > LARGEST_ARRAY:
                raise MalformedGguf(f"an array of more than {LARGEST_ARRAY:,} bytes")
        return ArrayFacts(length)

    def _numbers(self, form: struct.Struct, length: int, few: int = 1024) -> ArrayFacts:
        start = self._step(form.size * length)
        if length > few:
            return ArrayFacts(length)
        return ArrayFacts(length, tuple(
            form.unpack_from(self._data, start + form.size * i)[0] for i in range(length)
        ))  # fmt: skip

    def _skip(self, kind: int, depth: int) -> None:
        if kind == _STRING:
            length = self.u64()
            if length > LARGEST_STRING:
                raise MalformedGguf(f"a text of {length:,} bytes in an array")
            self._step(length)
        else:
            self.value(kind, depth + 1)

    def _step(self, length: int) -> int:
        start = self.at
        end = self.at + length
        if end > len(self._data):
            where = "the file ends" if self._is_all else "the header is larger than allowed,"
            raise MalformedGguf(
                f"{where} at byte {len(self._data):,} where {length:,} more are needed"
            )
        self.at = end
        return start
