"""Checks an ONNX graph's structure: operators, external weights, sizes of tensors it creates."""

from collections.abc import Iterator
from math import prod
from pathlib import PurePosixPath
from typing import Any

from modelyard.flows.steps.validate.onnx_operators import ALLOWED

MOST_NODES = 100_000
MOST_VALUES = 1 << 28
"""Elements of one tensor that the graph creates, 1 GiB of floats: no mask is larger."""

_DEEPEST = 8
_MAKERS = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1, "OneHot": 1}
"""The input of an operator that determines the size of its output."""


class MalformedGraph(Exception):
    """The graph is not one that Modelyard runs; the message says why."""


def graphs(graph: Any, depth: int = 0) -> Iterator[Any]:
    """The graph and all graphs nested in its nodes."""
    if depth > _DEEPEST:
        raise MalformedGraph("its graphs are nested too deep")
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.HasField("g") else []
            for one in (*inner, *attribute.graphs):
                yield from graphs(one, depth + 1)


def check_operators(model: Any) -> None:
    """Raise MalformedGraph for disallowed operators, custom functions or too many nodes."""
    if model.functions:
        raise MalformedGraph(f"it brings functions of its own, such as {model.functions[0].name!r}")
    nodes = [node for graph in graphs(model.graph) for node in graph.node]
    if len(nodes) > MOST_NODES:
        raise MalformedGraph(f"it has {len(nodes):,} nodes; {MOST_NODES:,} are allowed")
    for node in nodes:
        if node.op_type not in ALLOWED.get(node.domain, ()):
            whose = f"{node.domain}." if node.domain else ""
            raise MalformedGraph(
                f"it has the operator {whose}{node.op_type}, which is not run here"
            )


def tensors(model: Any) -> Iterator[Any]:
    """Every constant: initializers, and tensors in node attributes."""
    for graph in graphs(model.graph):
        yield from graph.initializer
        if graph.sparse_initializer:
            raise MalformedGraph("it has sparse weights")
        for node in graph.node:
            for attribute in node.attribute:
                yield from ([attribute.t] if attribute.HasField("t") else [])
                yield from attribute.tensors


def check_elsewhere(model: Any, sizes: dict[str, int]) -> None:
    """Check that external weights lie within a file that came with the graph; `sizes` in bytes."""
    for place in _places(model):
        _check_place(place, sizes)


def weight_files(model: Any) -> set[str]:
    """The names of the files in the graph's folder that hold weights; raises MalformedGraph."""
    return {_name_of(place) for place in _places(model)}


def _places(model: Any) -> Iterator[dict[str, str]]:
    """Where each external tensor lies, as the graph says."""
    for tensor in tensors(model):
        if tensor.data_location == 1:  # TensorProto.EXTERNAL
            yield {entry.key: entry.value for entry in tensor.external_data}


def _name_of(place: dict[str, str]) -> str:
    path = PurePosixPath(place.get("location", ""))
    if path.is_absolute() or len(path.parts) != 1 or ".." in path.parts or "\\" in str(path):
        raise MalformedGraph(f"it keeps weights in {str(path)[:200]!r}, outside its folder")
    return str(path)


def _check_place(place: dict[str, str], sizes: dict[str, int]) -> None:
    name = _name_of(place)
    if name not in sizes:
        raise MalformedGraph(f"it keeps weights in {name[:200]!r}, which is not among its files")
    offset = _whole(place.get("offset", "0"))
    length = _whole(place.get("length", "0"))
    if offset + length > sizes[name]:
        raise MalformedGraph(f"its weights lie beyond the end of {name!r}")


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise MalformedGraph(f"its weights lie at {text[:40]!r}")
    return int(text)


def check_sizes(model: Any, length: int) -> None:
    """Raise MalformedGraph if a text of `length` tokens makes far too large a tensor.

    Shapes are inferred for one text of that length, including values computed from shapes. Sizes
    known only at run time are left to the engine, which runs under a memory limit.
    """
    _check_constants(model)
    _slim(model)
    _bind(model, length)
    for graph in graphs(_inferred(model).graph):
        for value in (*graph.value_info, *graph.output):
            sides = [d.dim_value for d in value.type.tensor_type.shape.dim]
            if sides and prod(side for side in sides if side > 0) > MOST_VALUES:
                raise MalformedGraph(f"it makes a tensor of the shape {sides}")


def _check_constants(model: Any) -> None:
    from onnx import numpy_helper

    small = {
        t.name: numpy_helper.to_array(t).ravel().tolist()
        for t in _named_constants(model)
        if prod(t.dims) <= 64 and t.data_type in {6, 7} and not t.data_location
    }
    for node in (n for graph in graphs(model.graph) for n in graph.node):
        given = [small.get(name) for name in node.input]
        if _made(node.op_type, given) > MOST_VALUES:
            raise MalformedGraph(
                f"its operator {node.op_type} makes a tensor too large to be meant"
            )


def _named_constants(model: Any) -> Iterator[Any]:
    for graph in graphs(model.graph):
        yield from graph.initializer
        for node in graph.node:
            if node.op_type == "Constant":
                for attribute in node.attribute:
                    if attribute.HasField("t"):
                        attribute.t.name = node.output[0]
                        yield attribute.t


def _made(operator: str, given: list[list[int] | None]) -> int:
    """The number of values that an operator creates, as far as constants determine it."""
    place = _MAKERS.get(operator)
    if place is not None and place < len(given):
        return prod(abs(side) for side in given[place] or [0] if side)
    if operator == "Range" and len(given) == 3 and all(given):
        start, limit, step = (values[0] for values in given if values)
        return abs(limit - start) // max(abs(step), 1)
    return 0


def _slim(model: Any) -> None:
    """Drop the weights' bytes: shape inference does not need them, and then uses less memory."""
    for tensor in model.graph.initializer:
        if prod(tensor.dims) > 64:
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")


def _bind(model: Any, length: int) -> None:
    """Set the open input sizes to one text of `length` tokens."""
    for given in model.graph.input:
        for place, side in enumerate(given.type.tensor_type.shape.dim):
            if not side.dim_value:
                side.dim_value = 1 if place == 0 else length


def _inferred(model: Any) -> Any:
    from onnx import shape_inference

    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        return shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:
        # The library's errors have no common ancestor of their own.
        raise MalformedGraph(f"its shapes do not fit together: {str(error)[:200]}") from error
