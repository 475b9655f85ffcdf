"""Writes BERT's network as an ONNX graph, from weights under their Hugging Face names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Weights = Mapping[str, Array]
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(slots=True)
class Graph:
    """Nodes and constants under way to a model; each call of an operator names its result."""

    weights: Weights
    epsilon: float
    nodes: list[Any] = field(default_factory=list[Any])
    constants: dict[str, Array] = field(default_factory=dict[str, Array])

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [*inputs], [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: Any, kind: Any = np.float32) -> str:
        self.constants.setdefault(name, np.asarray(value, kind))
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def linear(self, x: str, name: str) -> str:
        matrix = self.constant(f"{name}.weight_t", self.weights[f"{name}.weight"].T)
        return self.op("Add", self.op("MatMul", x, matrix), self.weight(f"{name}.bias"))

    def norm(self, x: str, name: str) -> str:
        scale = self.weight(f"{name}.weight")
        bias = self.weight(f"{name}.bias")
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=self.epsilon)

    def ints(self, name: str, *values: int) -> str:
        return self.constant(name, values, np.int64)

    def embed(self) -> str:
        length = self.op(
            "Slice", self.op("Shape", INPUTS[0]), self.ints("one", 1), self.ints("two", 2)
        )
        table = self.weight("embeddings.position_embeddings.weight")
        places = self.op("Slice", table, self.ints("zero", 0), length, self.ints("zero", 0))
        words = self.op("Gather", self.weight("embeddings.word_embeddings.weight"), INPUTS[0])
        kinds = self.op("Gather", self.weight("embeddings.token_type_embeddings.weight"), INPUTS[2])
        total = self.op("Add", self.op("Add", words, kinds), places)
        return self.norm(total, "embeddings.LayerNorm")

    def hide(self) -> str:
        """The mask to add to scores: zero where there is a token, very low where there is none."""
        kept = self.op("Cast", self.op("Unsqueeze", INPUTS[1], self.ints("sides", 1, 2)), to=1)
        return self.op(
            "Mul", self.op("Sub", self.constant("1", 1), kept), self.constant("low", -1e9)
        )

    def attend(self, x: str, name: str, heads: int, width: int, hidden: str) -> str:
        shape = self.ints("split", 0, 0, heads, width // heads)

        def split(part: str, order: list[int]) -> str:
            projected = self.linear(x, f"{name}.self.{part}")
            return self.op("Transpose", self.op("Reshape", projected, shape), perm=order)

        query = split("query", [0, 2, 1, 3])
        key = split("key", [0, 2, 3, 1])
        scores = self.op(
            "Div", self.op("MatMul", query, key), self.constant("root", (width // heads) ** 0.5)
        )
        likely = self.op("Softmax", self.op("Add", scores, hidden), axis=-1)
        mixed = self.op("MatMul", likely, split("value", [0, 2, 1, 3]))
        whole = self.op(
            "Reshape",
            self.op("Transpose", mixed, perm=[0, 2, 1, 3]),
            self.ints("join", 0, 0, width),
        )
        added = self.op("Add", self.linear(whole, f"{name}.output.dense"), x)
        return self.norm(added, f"{name}.output.LayerNorm")

    def gelu(self, x: str) -> str:
        bent = self.op("Erf", self.op("Div", x, self.constant("root2", 2**0.5)))
        grown = self.op("Mul", x, self.op("Add", bent, self.constant("1", 1)))
        return self.op("Mul", grown, self.constant("half", 0.5))

    def layer(self, x: str, name: str, heads: int, width: int, hidden: str) -> str:
        x = self.attend(x, f"{name}.attention", heads, width, hidden)
        inner = self.gelu(self.linear(x, f"{name}.intermediate.dense"))
        added = self.op("Add", self.linear(inner, f"{name}.output.dense"), x)
        return self.norm(added, f"{name}.output.LayerNorm")

    def pooled(self, x: str) -> str:
        first = self.op("Gather", x, self.constant("at0", 0, np.int64), axis=1)
        return self.op("Tanh", self.linear(first, "pooler.dense"))


def write_bert(
    described: Mapping[str, Any], weights: Weights, path: Path, *, external: bool = False
) -> None:
    """The network that a config.json describes; `external` puts the weights in a file beside it."""
    graph = Graph(weights, float(described.get("layer_norm_eps", 1e-12)))
    heads = described["num_attention_heads"]
    width = described["hidden_size"]
    x = graph.embed()
    hidden = graph.hide()
    for layer in range(described["num_hidden_layers"]):
        x = graph.layer(x, f"encoder.layer.{layer}", heads, width, hidden)
    match described["architectures"][0]:
        case "BertForSequenceClassification":
            _save(
                graph,
                graph.linear(graph.pooled(x), "classifier"),
                "logits",
                2,
                path,
                external=external,
            )
        case "BertForTokenClassification":
            _save(graph, graph.linear(x, "classifier"), "logits", 3, path, external=external)
        case _:
            _save(graph, x, "last_hidden_state", 3, path, external=external)


def _save(graph: Graph, result: str, name: str, rank: int, path: Path, *, external: bool) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph.nodes.append(helper.make_node("Identity", [result], [name]))
    axes = ["batch", "sequence", None][:rank] if rank == 3 else ["batch", None]
    tensor = helper.make_tensor_value_info
    made = helper.make_graph(
        graph.nodes,
        "bert",
        [tensor(i, TensorProto.INT64, ["batch", "sequence"]) for i in INPUTS],
        [tensor(name, TensorProto.FLOAT, axes)],
        [numpy_helper.from_array(v.copy(order="C"), k) for k, v in graph.constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    beside = f"{path.name}.data"
    onnx.save_model(
        model, str(path), save_as_external_data=external, location=beside, size_threshold=1024
    )
