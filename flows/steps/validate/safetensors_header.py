"""Reads a safetensors file's header with size limits in a process of its own; prints JSON."""

import json
import sys
from pathlib import Path
from typing import Any

from modelyard.flows.steps.validate.limits import limit_this_process

LARGEST_HEADER = 32 << 20
_WIDTHS = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1, "U16": 2,
           "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8,
           "F64": 8, "C64": 8}  # fmt: skip


class MalformedSafetensors(Exception):
    """The bytes are not an acceptable safetensors header; the message says why."""


def read(path: Path) -> dict[str, Any]:
    """The tensors by name; raises MalformedSafetensors unless they fill the data without gaps."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, LARGEST_HEADER):
            raise MalformedSafetensors(f"a header of {length:,} bytes in a file of {size:,}")
        text = file.read(length)
    header = _parse(text)
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    end = 0
    for name, entry in sorted(tensors.items(), key=lambda item: _span(*item)):
        end = _check(name, entry, end)
    if 8 + length + end != size:
        raise MalformedSafetensors(f"tensors of {end:,} bytes do not fill a file of {size:,}")
    return tensors


def _parse(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise MalformedSafetensors(f"its header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise MalformedSafetensors("its header is no JSON object")
    return header


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedSafetensors("a key is there twice")
    return found


def _span(name: str, entry: Any) -> tuple[int, int]:
    match entry:
        case {"data_offsets": [int(start), int(end)]} if 0 <= start <= end:
            return start, end
        case _:
            raise MalformedSafetensors(f"the tensor {name!r} does not say where it lies")


def _check(name: str, entry: dict[str, Any], previous_end: int) -> int:
    """The end of this tensor; raises MalformedSafetensors unless it starts at `previous_end`."""
    start, end = _span(name, entry)
    width = _WIDTHS.get(str(entry.get("dtype")))
    shape = entry.get("shape")
    if width is None or not isinstance(shape, list):
        raise MalformedSafetensors(f"the tensor {name!r} has no known type and shape")
    values = 1
    for side in shape:
        if not isinstance(side, int) or not 0 <= side <= 1 << 40:
            raise MalformedSafetensors(f"the tensor {name!r} has the impossible side {side!r}")
        values *= side
    if start != previous_end or end - start != values * width:
        raise MalformedSafetensors(
            f"the tensor {name!r} overlaps, leaves a gap, or has the wrong size"
        )
    return end


def main() -> None:
    limit_this_process()
    try:
        answer: dict[str, Any] = {"tensors": len(read(Path(sys.argv[1])))}
    except MalformedSafetensors as error:
        answer = {"malformed": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
