"""Reads an ONNX model's facts in a limited process of its own: `python -m … FILE` prints JSON.

The folder of the file contains all files that came with it, as the engine will have them.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

from modelyard.flows.steps.validate.limits import limit_this_process
from modelyard.flows.steps.validate.onnx_graph import (
    MalformedGraph,
    check_elsewhere,
    check_operators,
    check_sizes,
    tensors,
)
from modelyard.registry.catalog.model import Format
from modelyard.registry.errors import ModelyardError
from modelyard.serving.engines.child.child import settings_for
from modelyard.serving.engines.onnx.recipe.recipe import VectorRecipe

_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_VECTORS = {"sentence_embedding", "last_hidden_state", "token_embeddings"}
_TYPES = {1: "F32", 10: "F16", 16: "BF16", 2: "INT8", 3: "INT8", 21: "INT4", 22: "INT4"}
_LONGEST = 2048
"""Tokens of the text for which sizes are computed: attention grows with its square."""


def facts(path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """The facts in the graph and the files beside it; raises MalformedGraph or ModelUnloadable."""
    import onnx

    from modelyard.serving.engines.onnx.description import describe
    from modelyard.serving.engines.onnx.estimate import estimate

    described = describe(path, options)
    estimate(settings_for(path, Format.ONNX, name="facts", options=options))  # raises on bad files
    # Without `format`, onnx guesses it from the file name.
    model = onnx.load(str(path), format="protobuf", load_external_data=False)
    sizes = {file.name: file.stat().st_size for file in path.parent.iterdir() if file.is_file()}
    check_operators(model)
    check_elsewhere(model, sizes)
    found = _counted(model) | ends(model, described.task)
    check_sizes(model, min(described.positions or 512, _LONGEST))
    del model
    _check_whole(path)
    return found | {
        "task": described.task.value,
        "architecture": str(described.config.get("model_type") or "")[:100],
        "positions": described.positions,
        "width": described.width,
        "labels": [label[:100] for label in described.labels[:1000]],
        "many_labels": described.many_labels,
        "normalised": described.recipe.normalised,
        "pooling": _pooling(described.recipe),
    }


def _pooling(recipe: VectorRecipe) -> str:
    """The pooling in words, for those who look why vectors differ from another program's."""
    named = " + ".join(recipe.pooling.modes)
    return named if recipe.stated else f"{named} (no file states it)"


def _check_whole(path: Path) -> None:
    import onnx

    try:
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, ValueError) as error:
        raise MalformedGraph(str(error).splitlines()[0][:300]) from error


def _counted(model: Any) -> dict[str, Any]:
    """The number of parameters, and the type that most of them have."""
    by_type: Counter[int] = Counter()
    for tensor in tensors(model):
        by_type[tensor.data_type] += prod(tensor.dims)
    most = by_type.most_common(1)
    if not most:
        raise MalformedGraph("it has no weights")
    return {
        "parameters": sum(count for kind, count in by_type.items() if kind in _TYPES),
        "type": _TYPES.get(most[0][0]),
    }


def ends(model: Any, task: str) -> dict[str, Any]:
    """The inputs and outputs, which must be those of a model that reads."""
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [i.name for i in model.graph.input if i.name not in held]
    outputs = [o.name for o in model.graph.output]
    if "input_ids" not in inputs or set(inputs) - _INPUTS:
        given = ", ".join(inputs)[:300]
        raise MalformedGraph(f"its inputs are {given or 'none'}, not those of a model that reads")
    if task == "embed" and "logits" in outputs and not set(outputs) & _VECTORS:
        raise MalformedGraph("it predicts words, and is no embedding model")
    return {"inputs": inputs, "outputs": outputs}


def printed(read: Callable[[], dict[str, Any]]) -> None:
    """Print what a reader finds as JSON, or why the file is malformed or refused."""
    try:
        answer = read()
    except MalformedGraph as error:
        answer = {"malformed": str(error).rstrip(".")}
    except ModelyardError as error:
        answer = {"refused": error.message, "fix": error.fix}
    except Exception as error:  # noqa: BLE001 - protobuf's errors have no common ancestor
        answer = {"malformed": f"it cannot be read: {type(error).__name__}: {str(error)[:200]}"}
    json.dump(answer, sys.stdout)


def main() -> None:
    path = Path(sys.argv[1])
    # The graph is read twice and also parsed; external weights are not read.
    limit_this_process(more_memory=6 * path.stat().st_size)
    printed(lambda: facts(path, json.loads(sys.argv[2])))


if __name__ == "__main__":
    main()
