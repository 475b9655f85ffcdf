"""A model's task, labels, pooling and length, from the files beside its ONNX file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from modelyard.serving.engines.encoder import Task
from modelyard.serving.errors import ModelUnloadable

_MOST_BYTES = 8 * 1024 * 1024
_PIPELINES = {
    "feature-extraction": Task.EMBED,
    "sentence-similarity": Task.EMBED,
    "text-classification": Task.CLASSIFY,
    "token-classification": Task.TOKEN_CLASSIFY,
    "text-ranking": Task.RERANK,
}
# These models' position ids start after the padding id, so fewer tokens fit.
_OFFSET = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet"})
_MODULES = frozenset({"Transformer", "Pooling", "Normalize"})


class Pooling(StrEnum):
    """How token vectors are combined into one text vector."""

    MEAN = "mean"
    CLS = "cls"
    MAX = "max"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Description:
    """A model as its files describe it; `positions` is its length limit, 0 if they give none."""

    root: Path
    config: Mapping[str, Any]
    task: Task
    labels: tuple[str, ...]
    positions: int
    pooling: Pooling
    normalised: bool

    @property
    def padding(self) -> int:
        return int(self.config.get("pad_token_id") or 0)

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
    config = _object(root / "config.json")
    labels = _labels(config)
    modules = _modules(root)
    return Description(
        root=root,
        config=config,
        task=_task(config, labels, options),
        labels=labels,
        positions=_positions(root, config),
        pooling=_pooling(root, options),
        normalised=bool(options.get("normalize", modules is None or "Normalize" in modules)),
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
    trained = int(_object(root / "sentence_bert_config.json").get("max_seq_length") or 0)
    return min(own, trained) if own and trained else own or trained


def _pooling(root: Path, options: Mapping[str, Any]) -> Pooling:
    given = _object(root / "1_Pooling" / "config.json")
    modes = {
        Pooling.MEAN: "pooling_mode_mean_tokens",
        Pooling.CLS: "pooling_mode_cls_token",
        Pooling.MAX: "pooling_mode_max_tokens",
        Pooling.LAST: "pooling_mode_lasttoken",
    }
    asked = str(options.get("pooling", ""))
    if asked in {mode.value for mode in Pooling}:
        return Pooling(asked)
    named = [name for name, value in given.items() if name.startswith("pooling_mode_") and value]
    if not named:
        return Pooling.MEAN
    found = [mode for mode, name in modes.items() if name in named]
    if len(named) != 1 or not found:
        raise ModelUnloadable(f"The pooling {' and '.join(named)} is not known here.")
    return found[0]


def _modules(root: Path) -> set[str] | None:
    file = root / "modules.json"
    if not file.is_file():
        return None
    kinds = {str(module.get("type", "")).rpartition(".")[2] for module in _json(file)}
    if unknown := kinds - _MODULES:
        raise ModelUnloadable(f"modules.json has {', '.join(sorted(unknown))}: not known here.")
    return kinds


def _object(file: Path) -> dict[str, Any]:
    """A file's JSON object; empty if there is no such file."""
    value = _json(file) if file.is_file() else {}
    if not isinstance(value, dict):
        raise ModelUnloadable(f"{file.name} is no JSON object.")
    return cast("dict[str, Any]", value)


def _json(file: Path) -> Any:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ModelUnloadable(f"{file.name} is larger than {_MOST_BYTES} bytes.")
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelUnloadable(f"{file.name} is not valid JSON: {error}.") from None
