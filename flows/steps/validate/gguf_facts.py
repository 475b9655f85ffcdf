"""Reads a GGUF's facts in a limited process of its own: `python -m … FILE` prints JSON."""

import json
import sys
from pathlib import Path
from typing import Any

from modelyard.flows.steps.validate.limits import limit_this_process
from modelyard.serving.engines.gguf.cursor import ArrayFacts, MalformedGguf
from modelyard.serving.engines.gguf.header import Header, Tensor, read
from modelyard.serving.engines.gguf.unsupported import UnsupportedGguf

LARGEST_TEMPLATE = 1 << 20
LONGEST_TEXT = 1024


def facts(header: Header) -> dict[str, Any]:
    """The facts of a header, small enough for a line of JSON."""
    kept = {key: _small(key, value) for key, value in header.values.items()}
    return {
        "version": header.version,
        "values": {key: value for key, value in kept.items() if value is not None},
        "tensors": len(header.tensors),
        "parameters": sum(tensor.values for tensor in header.tensors),
        "matrix_types": sorted({tensor.kind for tensor in header.tensors if _is_matrix(tensor)}),
    }


def _is_matrix(tensor: Tensor) -> bool:
    """Whether a tensor is of those that a quantization is named by: norms and biases stay F32."""
    return len(tensor.shape) > 1 and min(tensor.shape) > 1


def _small(key: str, value: Any) -> Any:
    """A value to keep: numbers, short texts, the chat template, array lengths; None otherwise."""
    if isinstance(value, ArrayFacts):
        numbers = value.numbers if ".attention." in key else ()
        return {"length": value.length, "numbers": list(numbers)}
    largest = LARGEST_TEMPLATE if key == "tokenizer.chat_template" else LONGEST_TEXT
    return None if isinstance(value, str) and len(value) > largest else value


def main() -> None:
    limit_this_process()
    try:
        answer = facts(read(Path(sys.argv[1])))
    except UnsupportedGguf as error:
        answer = {"refused": f"{error}.", "fix": error.fix}
    except MalformedGguf as error:
        answer = {"malformed": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
