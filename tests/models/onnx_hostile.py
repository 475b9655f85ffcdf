"""ONNX graphs put together to do harm, each a small change of an encoder's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.models.known_encoder import KnownEncoder

Change = Callable[[Any, Path], None]


def write(folder: Path, change: Change) -> Path:
    """The encoder's files, its graph changed; `change` gets the model and its folder."""
    import onnx

    path = KnownEncoder(["word"]).write(folder)
    model = onnx.load(str(path))
    change(model, folder)
    path.write_bytes(model.SerializeToString())
    return path


def operator(kind: str, *inputs: str, domain: str = "", **attributes: Any) -> Change:
    """One more node, whose output nobody needs."""

    def change(model: Any, _folder: Path) -> None:
        from onnx import helper

        node = helper.make_node(kind, [*inputs], ["more"], domain=domain, **attributes)
        model.graph.node.append(node)
        if domain:
            model.opset_import.append(helper.make_opsetid(domain, 1))

    return change


def sized(kind: str, *sizes: list[int]) -> Change:
    """A node whose output is as large as its constants say, added to what the graph gives."""

    def change(model: Any, folder: Path) -> None:
        from onnx import numpy_helper

        names = [f"size{number}" for number in range(len(sizes))]
        for name, values in zip(names, sizes, strict=True):
            array = np.array(values if len(values) != 1 else values[0], np.int64)
            model.graph.initializer.append(numpy_helper.from_array(array, name))
        data = ["places"] if kind in {"Expand", "Tile"} else []
        operator(kind, *data, *names)(model, folder)

    return change


def computed_size(model: Any, folder: Path) -> None:
    """A shape that stands nowhere: the product of two small constants."""
    from onnx import helper, numpy_helper

    sides = numpy_helper.from_array(np.array([1 << 10, 1 << 10], np.int64), "sides")
    model.graph.initializer.append(sides)
    model.graph.node.append(helper.make_node("Mul", ["sides", "sides"], ["squares"]))
    operator("ConstantOfShape", "squares")(model, folder)


def size_from_text(model: Any, _folder: Path) -> None:
    """What is read decides how much memory is taken: no shape tells before it runs."""
    from onnx import helper, numpy_helper

    for name, value in (("huge", 1 << 36), ("none", 0)):
        constant = np.array([value], np.int64) if name == "huge" else np.float32(value)
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(constant), name))
    (gather,) = model.graph.node
    gather.output[0] = "found"
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["input_ids"], ["most"], keepdims=0),
            helper.make_node("Mul", ["most", "huge"], ["side"]),
            helper.make_node("ConstantOfShape", ["side"], ["filled"]),
            helper.make_node("ReduceMax", ["filled"], ["one"], keepdims=0),
            helper.make_node("Mul", ["one", "none"], ["nothing"]),
            helper.make_node("Add", ["found", "nothing"], ["last_hidden_state"]),
        ]
    )


def size_from_token(token: int, count: int) -> Change:
    """One token makes the graph fill `count` numbers; all other texts are read as usual."""

    def change(model: Any, _folder: Path) -> None:
        from onnx import TensorProto, helper, numpy_helper

        for name, value in (
            ("trigger", np.int64(token)),
            ("count", np.array([count], np.int64)),
            ("least", np.array([1], np.int64)),
        ):
            constant = numpy_helper.from_array(np.asarray(value), name)
            model.graph.initializer.append(constant)
        (gather,) = model.graph.node
        gather.output[0] = "found"
        model.graph.node.extend(
            [
                helper.make_node("Equal", ["input_ids", "trigger"], ["same"]),
                helper.make_node("Cast", ["same"], ["hits"], to=TensorProto.INT64),
                helper.make_node("ReduceMax", ["hits"], ["hit"], keepdims=0),
                helper.make_node("Mul", ["hit", "count"], ["more"]),
                helper.make_node("Add", ["more", "least"], ["side"]),
                helper.make_node("ConstantOfShape", ["side"], ["filled"]),
                helper.make_node("ReduceMax", ["filled"], ["nothing"], keepdims=0),
                helper.make_node("Add", ["found", "nothing"], ["last_hidden_state"]),
            ]
        )

    return change


def elsewhere(location: str, **place: str) -> Change:
    """The weights in a file of their own."""

    def change(model: Any, _folder: Path) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = 1
        for key, value in {"location": location, **place}.items():
            entry = tensor.external_data.add()
            entry.key = key
            entry.value = value

    return change


def function(model: Any, _folder: Path) -> None:
    """A function of the model's own, in which anything could hide."""
    added = model.functions.add()
    added.name = "hidden"
    added.domain = "eve"


def inputs(model: Any, _folder: Path) -> None:
    """The inputs of an image model."""
    model.graph.input[0].name = "pixel_values"
    model.graph.node[0].input[1] = "pixel_values"


def links(target: str, *, hard: bool) -> Change:
    """Weights beside the graph, as a link to a file outside."""

    def change(model: Any, folder: Path) -> None:
        elsewhere("model.onnx_data")(model, folder)
        link = folder / "model.onnx_data"
        outside = folder.parent / target
        outside.write_bytes(bytes(1 << 20))
        if hard:
            link.hardlink_to(outside)
        else:
            link.symlink_to(outside)

    return change
