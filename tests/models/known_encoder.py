"""An ONNX encoder whose geometry is known: a text lies at the mean of its words' places.

Words of one topic share a place, so texts that share no word can still lie side by side.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

WIDTH = 64
TOPICS = (
    ("poem", "poems", "sonnet", "sonnets", "verse", "rhyme", "rhymes", "lyric"),
    ("code", "program", "programs", "python", "software", "functions"),
    ("sea", "lighthouse", "lighthouses", "sailor", "ocean", "ships"),
)


@dataclass(frozen=True, slots=True)
class KnownEncoder:
    """The words that have places of their own beside those of the topics."""

    words: Sequence[str]
    seed: int = 0

    def write(self, folder: Path) -> Path:
        """The model, its tokenizer and its config; returns the model's path."""
        folder.mkdir(parents=True, exist_ok=True)
        vocabulary = self._vocabulary()
        _save_tokenizer(vocabulary, folder / "tokenizer.json")
        described = {"model_type": "bert", "architectures": ["BertModel"], "hidden_size": WIDTH,
                     "max_position_embeddings": 128, "pad_token_id": 0}  # fmt: skip
        (folder / "config.json").write_text(json.dumps(described))
        return _save_graph(self._places(vocabulary), folder / "model.onnx")

    def _vocabulary(self) -> list[str]:
        topical = [word for topic in TOPICS for word in topic]
        plain = sorted(set(self.words) - set(topical))
        return ["[PAD]", "[UNK]", *topical, *plain]

    def _places(self, vocabulary: list[str]) -> Any:
        """Unknown words lie near the middle: they hardly move a text."""
        rng = np.random.default_rng(self.seed)
        places = rng.standard_normal((len(vocabulary), WIDTH)).astype("f4") * WIDTH**-0.5
        places[1] *= 0.01
        for topic in TOPICS:
            rows = [vocabulary.index(word) for word in topic]
            places[rows] = 3 * places[rows[0]]
        return places


def _save_tokenizer(vocabulary: list[str], path: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    known = {word: number for number, word in enumerate(vocabulary)}
    made: Any = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(str(path))


def _save_graph(places: Any, path: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Gather", ["places", "input_ids"], ["last_hidden_state"])],
        "known",
        [tensor("input_ids", TensorProto.INT64, ["batch", "sequence"])],
        [tensor("last_hidden_state", TensorProto.FLOAT, ["batch", "sequence", WIDTH])],
        [numpy_helper.from_array(places, "places")],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save_model(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
    return path
