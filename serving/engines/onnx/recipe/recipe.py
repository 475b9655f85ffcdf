"""Reads how a model's vectors are made from the files that sentence-transformers writes.

What decides a vector is reproduced, or the model is refused: modules, pooling, prompts, case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from modelyard.serving.engines.onnx.recipe.json_files import read_json, read_object
from modelyard.serving.engines.onnx.recipe.pooling import Pooling, PoolingConfig, read_pooling
from modelyard.serving.errors import ModelUnloadable

_PACKAGE = "sentence_transformers."
_STEPS = ("Transformer", "Pooling", "Normalize")
_NORMALIZE = {"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"}
_LONGEST_PROMPT = 4096


@dataclass(frozen=True, slots=True)
class VectorRecipe:
    """From a text to its vector: its prompt, its case, the pooling, and the length of one.

    `stated` is False where no file says how to pool: then it is the mean, as sentence-transformers
    itself takes it.
    """

    pooling: PoolingConfig
    normalised: bool
    prompts: Mapping[str, str]
    default_prompt: str
    lower_case: bool
    stated: bool


def read_recipe(root: Path, options: Mapping[str, Any], *, pools: bool) -> VectorRecipe:
    """The recipe in the files below `root`; raises ModelUnloadable for what is not known here.

    `pools` says that the model makes vectors, so that its modules must say of what. The options
    `pooling` and `normalize` take the place of what the files say.
    """
    steps = _steps(root)
    if pools and steps is not None and "Pooling" not in steps:
        raise ModelUnloadable("modules.json names no Pooling: what its vectors are is not known.")
    found = _pooling(root, steps)
    asked = str(options.get("pooling", ""))
    if asked in {mode.value for mode in Pooling}:
        found = PoolingConfig((Pooling(asked),))
    usual = steps is None or "Normalize" in steps
    prompts, default = _prompts(root)
    given = read_object(root / "sentence_bert_config.json")
    return VectorRecipe(
        pooling=found or PoolingConfig(),
        normalised=bool(options.get("normalize", usual)),
        prompts=prompts,
        default_prompt=default,
        lower_case=bool(given.get("do_lower_case", False)),
        stated=found is not None,
    )


def _steps(root: Path) -> dict[str, str] | None:
    """The folder of each module that modules.json names; None if there is no such file."""
    file = root / "modules.json"
    if not file.is_file():
        return None
    steps: dict[str, str] = {}
    for module in _listed(file):
        path = str(module.get("type", ""))
        kind = path.rpartition(".")[2]
        if not path.startswith(_PACKAGE) or kind not in _STEPS[len(steps) :]:
            raise ModelUnloadable(
                f"modules.json has {path[:100] or 'a module without a type'}: not known here, or "
                "not at that place.",
                fix="Served are Transformer, Pooling and Normalize, in that order. Take the "
                "model's GGUF, or one without further modules.",
            )
        steps[kind] = _inside(str(module.get("path", "")))
    if "Normalize" in steps:
        _check_normalize(root / steps["Normalize"] / "config.json")
    return steps


def _listed(file: Path) -> list[dict[str, Any]]:
    modules = read_json(file)
    if not isinstance(modules, list):
        raise ModelUnloadable("modules.json is no list of modules.")
    known = cast("list[Any]", modules)
    if not all(isinstance(module, dict) for module in known):
        raise ModelUnloadable("modules.json is no list of modules.")
    return known


def _inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ModelUnloadable(f"modules.json has the path '{path[:100]}': no folder beside it.")
    return path


def _check_normalize(file: Path) -> None:
    given = read_object(file)
    if any(given.get(name) not in {None, usual} for name, usual in _NORMALIZE.items()):
        raise ModelUnloadable(f"{file.parent.name} normalises something else than the vector.")


def _pooling(root: Path, steps: Mapping[str, str] | None) -> PoolingConfig | None:
    """The pooling that the files state; None if they say nothing of it."""
    folders = _pooling_folders(root) if steps is None else [steps.get("Pooling")]
    if len(folders) > 1:
        raise ModelUnloadable(
            f"There are {len(folders)} pooling folders and no modules.json that says which counts."
        )
    folder = folders[0] if folders else None
    if folder is None:
        return None
    file = root / folder / "config.json"
    if not file.is_file():
        raise ModelUnloadable(f"modules.json names {folder}, which has no config.json.")
    return read_pooling(read_object(file), f"{folder}/config.json")


def _pooling_folders(root: Path) -> list[str | None]:
    return [file.parent.name for file in sorted(root.glob("*_Pooling/config.json"))]


def _prompts(root: Path) -> tuple[dict[str, str], str]:
    """The named prompts, and the one that stands before every text unless another is asked for."""
    given = read_object(root / "config_sentence_transformers.json")
    prompts: Any = given.get("prompts") or {}
    known = isinstance(prompts, dict) and all(
        isinstance(text, str) and len(text) <= _LONGEST_PROMPT
        for text in cast("dict[str, Any]", prompts).values()
    )
    name = given.get("default_prompt_name")
    if not known or (name is not None and name not in prompts):
        raise ModelUnloadable(
            f"config_sentence_transformers.json has the default_prompt_name {name!r:.100}, "
            "or prompts, that mean nothing.",
            fix="Each prompt is a text of at most "
            f"{_LONGEST_PROMPT} characters, and the default is the name of one of them.",
        )
    return prompts, prompts.get(name, "")
