"""A model.onnx whose weights lie in files of their own, in the ways that exporters put them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelyard.flows.steps.validate.onnx_graph import tensors

Layout = Callable[[str], str]
"""The file that holds the tensor of that name."""


def lay_out_weights(path: Path, layout: Layout) -> list[Path]:
    """Move every larger tensor out of the graph; one initializer becomes a Constant node first.

    Returns the files of weights.
    """
    import onnx
    from onnx import external_data_helper

    model = onnx.load(str(path))
    _as_node(model)
    files: dict[str, bytearray] = {}
    for tensor in tensors(model):
        if len(tensor.raw_data) < 1024:
            continue
        name = layout(tensor.name)
        content = files.setdefault(name, bytearray())
        external_data_helper.set_external_data(tensor, name, len(content), len(tensor.raw_data))
        content += tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
    path.write_bytes(model.SerializeToString())
    for name, content in files.items():
        path.with_name(name).write_bytes(content)
    return [path.with_name(name) for name in files]


def _as_node(model: Any) -> None:
    """The word table as a constant that is an attribute, as some exporters leave theirs."""
    from onnx import helper

    found = next(t for t in model.graph.initializer if "word_embeddings" in t.name)
    node = helper.make_node("Constant", [], [found.name], value=found)
    node.attribute[0].t.name = "Constant_7_attr__value"
    model.graph.initializer.remove(found)
    model.graph.node.insert(0, node)


def rename_outputs(path: Path, *names: str) -> None:
    """Call the outputs otherwise; further names are further outputs of the same values."""
    import onnx
    from onnx import helper

    model = onnx.load(str(path), load_external_data=False)
    (output,) = model.graph.output
    known = output.name
    model.graph.output.pop()
    for name in names:
        model.graph.node.append(helper.make_node("Identity", [known], [name]))
        more = model.graph.output.add()
        more.CopyFrom(output)
        more.name = name
    path.write_bytes(model.SerializeToString())
