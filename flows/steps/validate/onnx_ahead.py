"""Reads an ONNX graph before its weights are there: `python -m … FILE` prints JSON.

What the graph and the files beside it already say against serving it is said now; else the names of
the files in its folder that hold its weights.
"""

import json
import sys
from pathlib import Path
from typing import Any

from modelyard.flows.steps.validate.limits import limit_this_process
from modelyard.flows.steps.validate.onnx_facts import ends, printed
from modelyard.flows.steps.validate.onnx_graph import (
    MalformedGraph,
    check_operators,
    weight_files,
)

MOST_FILES = 20_000


def ahead(path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """The graph's weight files; raises MalformedGraph or ModelUnloadable."""
    import onnx

    from modelyard.serving.engines.onnx.description import describe
    from modelyard.serving.engines.onnx.network import output_of

    described = describe(path, options)
    model = onnx.load(str(path), format="protobuf", load_external_data=False)
    check_operators(model)
    output_of(ends(model, described.task)["outputs"])
    files = sorted(weight_files(model))
    if len(files) > MOST_FILES:
        raise MalformedGraph(f"it keeps weights in {len(files):,} files; {MOST_FILES:,} at most")
    return {"files": files}


def main() -> None:
    path = Path(sys.argv[1])
    limit_this_process(more_memory=6 * path.stat().st_size)
    printed(lambda: ahead(path, json.loads(sys.argv[2])))


if __name__ == "__main__":
    main()
