"""A model's task, labels, length and recipe of vectors, from the files beside its ONNX file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from modelyard.serving.engines.encoder import Task
from modelyard.serving.engines.onnx.recipe.json_files import read_object
from modelyard.serving.engines.onnx.recipe.recipe import VectorRecipe, read_recipe
from modelyard.serving.errors import ModelUnloadable

_PIPELINES = {
    "feature-extraction": Task.EMBED,
    "sentence-similarity": Task.EMBED,
    "text-classification": Task.CLASSIFY,
    "token-classification": Task.TOKEN_CLASSIFY,
    "text-ranking": Task.RERANK,
}
# These models' position ids start after the padding id, so fewer tokens fit.
_OFFSET = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet"})


@dataclass(frozen=True, slots=True)
class Description:
    """A model as its files describe it; `positions` is its length limit, 0 if they give none."""

    root: Path
    config: Mapping[str, Any]
    task: Task
    labels: tuple[str, ...]
    positions: int
    recipe: VectorRecipe

    @property
    def padding(self) -> int:
        return int(self.config.get("pad_token_id") or 0)

    @property
    def width(self) -> int:
        """Numbers in a vector: several poolings are written one after the other."""
        return len(self.recipe.pooling.modes) * int(self.config.get("hidden_size") or 0)

    @property
    def many_labels(self) -> bool:
        """Whether labels are independent, so that their probabilities need not add up to one."""
        return self.config.get("problem_type") == "multi_label_classification"

    @property
    def raw_scores(self) -> bool:
        """Whether a cross-encoder's score is its raw output, not mapped to 0…1."""
        own = cast("dict[str, Any]", self.config.get("sentence_transformers") or {})
        old = self.config.get("sbert_ce_default_activation_function")
        return str(own.get("activation_fn") or old or "").endswith("Identity")

    @property
    def dimensions(self) -> tuple[int, ...] | None:
        """Lengths its vectors may be cut to; empty: any; None: not trained for cutting."""
        if self.config.get("matryoshka_dimensions"):
            return tuple(int(d) for d in self.config["matryoshka_dimensions"])
        return () if self.config.get("is_matryoshka") else None


def describe(model: Path, options: Mapping[str, Any]) -> Description:
    """Read the files beside `model` or one folder up; raises ModelUnloadable.

    The options `pipeline_tag`, `pooling` and `normalize` set what the files leave open.
    """
    root = next(
        (f for f in (model.parent, model.parent.parent) if (f / "config.json").is_file()), None
    )
    if root is None:
        raise ModelUnloadable(
            f"{model.name} has no config.json beside it.",
            fix="Add the repository's config.json and tokenizer.json to the version.",
        )
    config = read_object(root / "config.json")
    labels = _labels(config)
    task = _task(config, labels, options)
    return Description(
        root=root,
        config=config,
        task=task,
        labels=labels,
        positions=_positions(root, config),
        recipe=read_recipe(root, options, pools=task is Task.EMBED),
    )


def _task(config: Mapping[str, Any], labels: tuple[str, ...], options: Mapping[str, Any]) -> Task:
    tag = str(options.get("pipeline_tag", ""))
    architecture = str((config.get("architectures") or [""])[0])
    if tag in _PIPELINES:
        return _PIPELINES[tag]
    if architecture.endswith("ForTokenClassification"):
        return Task.TOKEN_CLASSIFY
    if architecture.endswith("ForSequenceClassification"):
        return Task.RERANK if len(labels) == 1 else Task.CLASSIFY
    return Task.EMBED


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    named = cast("dict[str, Any]", config.get("id2label") or {})
    count = int(config.get("num_labels") or len(named) or 2)
    return tuple(str(named.get(str(index), f"LABEL_{index}")) for index in range(count))


def _positions(root: Path, config: Mapping[str, Any]) -> int:
    own = int(config.get("max_position_embeddings") or 0)
    if own and config.get("model_type") in _OFFSET:
        own -= int(config.get("pad_token_id") or 0) + 1
    trained = int(read_object(root / "sentence_bert_config.json").get("max_seq_length") or 0)
    return min(own, trained) if own and trained else own or trained
