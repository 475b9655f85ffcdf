"""No test changes the arithmetic of those after it."""

from pathlib import Path

import onnxruntime
import pytest
from onnx import TensorProto, helper, save

SMALLEST = 5e-324


def _open_session(folder: Path) -> None:
    """Open a session that treats subnormal numbers as zero."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [value], [out])
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        folder / "m.onnx",
    )
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    onnxruntime.InferenceSession(str(folder / "m.onnx"), options)


@pytest.mark.parametrize("_turn", [1, 2])
def test_each_test_begins_with_subnormal_numbers(_turn: int, tmp_path: Path) -> None:
    """They are as a process has them at its start; the first session in it takes them away."""
    assert SMALLEST * 1.0 > 0
    _open_session(tmp_path)
