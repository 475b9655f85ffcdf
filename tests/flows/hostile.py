"""GGUF bytes put together by hand, to say what no writer would."""

import struct
from collections.abc import Sequence

U32 = 4
STRING = 8
ARRAY = 9
U8 = 0


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, shape: Sequence[int], kind: int = 0, offset: int = 0) -> bytes:
    sides = struct.pack(f"<{len(shape)}Q", *shape)
    return text(name) + struct.pack("<I", len(shape)) + sides + struct.pack("<IQ", kind, offset)


def gguf(
    pairs: Sequence[bytes] = (),
    tensors: Sequence[bytes] = (),
    *,
    data: int = 0,
    magic: bytes = b"GGUF",
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A file with `data` bytes of weights; `counts` claims other numbers of tensors and keys."""
    claimed = counts or (len(tensors), len(pairs))
    head = magic + struct.pack("<IQQ", version, *claimed) + b"".join(pairs) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(data)


ARCHITECTURE = pair("general.architecture", STRING, text("llama"))
