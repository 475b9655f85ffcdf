"""Checks that the parts of a split GGUF are sound and belong together, before they are merged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelyard.flows.errors import InvalidModelFile
from modelyard.flows.steps.validate.validate import inspect

_AGAIN = "Take another repository: llama.cpp's gguf-split makes parts that say which they are."


def check_shards(parts: Sequence[tuple[Path, str]]) -> None:
    """Check each part, a path and its name on the Hub; raises InvalidModelFile.

    Only the first says what the model is, and it may have no tensors.
    """
    headers = [inspect(path, name) for path, name in parts]
    for number, header in enumerate(headers):
        _check_place(header["values"], parts[number][1], number, len(parts))
    tensors = sum(header["tensors"] for header in headers)
    promised = headers[0]["values"].get("split.tensors.count")
    if promised is not None and promised != tensors:
        raise InvalidModelFile(
            f"{parts[0][1]} and its {len(parts) - 1} other parts have {tensors:,} tensors; "
            f"the first promises {promised:,}.",
            fix=_AGAIN,
        )


def _check_place(values: dict[str, Any], name: str, number: int, count: int) -> None:
    said = (values.get("split.no"), values.get("split.count"))
    if said != (number, count):
        raise InvalidModelFile(
            f"{name} is called part {number + 1} of {count}, and says inside that it is part "
            f"{said[0]} of {said[1]} (counted from 0).",
            fix=_AGAIN,
        )
