"""Tiny BERTs of random weights with a real WordPiece tokenizer: a repository's files in ONNX."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.models.onnx_bert import Array, write_bert

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
FEATURES = "BertModel"
CLASSIFIER = "BertForSequenceClassification"
MARKER = "BertForTokenClassification"
VOCABULARY = 600


@dataclass(frozen=True, slots=True)
class Bert:
    """A model's shape and head, `labels` being the classifiers'; `config` adds to config.json."""

    architecture: str = FEATURES
    labels: tuple[str, ...] = ()
    width: int = 32
    layers: int = 2
    heads: int = 4
    inner: int = 64
    positions: int = 64
    seed: int = 0
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def write(self, folder: Path, *, external: bool = False) -> Path:
        """The model, its tokenizer and its config; returns the model's path."""
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer().save(str(folder / "tokenizer.json"))
        (folder / "config.json").write_text(json.dumps(self.described))
        path = folder / "model.onnx"
        write_bert(self.described, self.weights(), path, external=external)
        return path

    @property
    def described(self) -> dict[str, Any]:
        known: dict[str, Any] = {
            "architectures": [self.architecture],
            "model_type": "bert",
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.inner,
            "max_position_embeddings": self.positions,
            "vocab_size": VOCABULARY,
            "pad_token_id": 0,
        }
        if self.labels:
            known["id2label"] = {str(i): label for i, label in enumerate(self.labels)}
        return known | dict(self.config)

    def weights(self) -> dict[str, Array]:
        """Under their Hugging Face names; scaled so that no layer drowns another."""
        rng = np.random.default_rng(self.seed)
        made: dict[str, Array] = {}

        def linear(name: str, rows: int, columns: int) -> None:
            made[f"{name}.weight"] = rng.normal(0, 2 * columns**-0.5, (rows, columns)).astype("f4")
            made[f"{name}.bias"] = rng.normal(0, 0.1, rows).astype("f4")

        def norm(name: str) -> None:
            made[f"{name}.LayerNorm.weight"] = rng.normal(1, 0.1, self.width).astype("f4")
            made[f"{name}.LayerNorm.bias"] = rng.normal(0, 0.1, self.width).astype("f4")

        tables = {"word": VOCABULARY, "position": self.positions, "token_type": 2}
        for name, rows in tables.items():
            table = rng.normal(0, 1, (rows, self.width)).astype("f4")
            made[f"embeddings.{name}_embeddings.weight"] = table
        norm("embeddings")
        for layer in range(self.layers):
            block = f"encoder.layer.{layer}"
            for part in ("query", "key", "value"):
                linear(f"{block}.attention.self.{part}", self.width, self.width)
            linear(f"{block}.attention.output.dense", self.width, self.width)
            norm(f"{block}.attention.output")
            linear(f"{block}.intermediate.dense", self.inner, self.width)
            linear(f"{block}.output.dense", self.width, self.inner)
            norm(f"{block}.output")
        linear("pooler.dense", self.width, self.width)
        linear("classifier", max(len(self.labels), 1), self.width)
        return made


@lru_cache
def tokenizer() -> Any:
    """WordPiece as BERT's, with the short padding and truncation that some files carry."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    made: Any = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, special_tokens=list(SPECIAL), show_progress=False
    )
    texts = [file.read_text() for file in sorted(Path(__file__).parent.glob("*.py"))]
    made.train_from_iterator(texts, trainer)
    ends = [(name, made.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    made.enable_truncation(8)
    made.enable_padding(length=8)
    return made


def tokens(*texts: str) -> tuple[list[int], list[int]]:
    """Ids and kinds of a text, or of a pair, as the model expects them."""
    from tokenizers import Tokenizer

    plain: Any = Tokenizer.from_str(tokenizer().to_str())
    plain.no_truncation()
    plain.no_padding()
    encoding = plain.encode(*texts)
    return encoding.ids, encoding.type_ids
