"""Chooses the files of a repository to take: the model, its parts and companion files."""

import re

from modelyard.flows.errors import ModelRefused
from modelyard.flows.steps.choose import gguf_files, onnx_files
from modelyard.flows.steps.choose.candidate import (
    FileSelection,
    ModelCandidate,
    SelectionRequest,
    matching,
)
from modelyard.flows.steps.choose.part_names import part_name
from modelyard.flows.steps.hub.hub import HubSnapshot, RemoteFile
from modelyard.registry.catalog.model import Format

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".msgpack", ".h5")
READING = frozenset({"feature-extraction", "sentence-similarity", "text-classification",
                     "token-classification", "text-ranking"})  # fmt: skip
"""The Hub's task names for models that read text."""

_CONVERTERS = ("ggml-org", "unsloth", "bartowski")
"""Accounts that publish most models as GGUF under their own names."""

_PAPERS = re.compile(
    r"readme\.md|licen[sc]e(\.\w+)?|notice(\.\w+)?|config\.json|generation_config\.json"
    r"|tokenizer(_config)?\.json|special_tokens_map\.json",
    re.IGNORECASE,
)
_LARGEST_PAPER = 32 << 20


def choose(snapshot: HubSnapshot, wish: SelectionRequest) -> FileSelection:
    """Choose the files; raises ModelRefused, NoMatchingFile or AmbiguousFile with the options."""
    gguf = gguf_files.candidates(snapshot.files)
    onnx = onnx_files.candidates(snapshot.files)
    found = [*gguf, *onnx]
    if not found:
        raise _without_model(snapshot)
    asked = matching(found, wish.glob, snapshot.repo) if wish.glob else found
    writers = [c for c in asked if c.format is Format.GGUF]
    model = gguf_files.pick(writers, wish) if writers else onnx_files.pick(asked, wish)
    return FileSelection(model, _papers(model, snapshot))


def _papers(model: ModelCandidate, snapshot: HubSnapshot) -> tuple[RemoteFile, ...]:
    """The card, the licence and the small configuration files, without duplicates."""
    needed = onnx_files.beside(model, snapshot) if model.format is Format.ONNX else []
    usual = [f for f in snapshot.files if _PAPERS.fullmatch(f.path)]
    return tuple(f for f in dict.fromkeys([*usual, *needed]) if f.size <= _LARGEST_PAPER)


def _without_model(snapshot: HubSnapshot) -> ModelRefused:
    names = [f.name.lower() for f in snapshot.files]
    if parts := [f.path for f in snapshot.files if part_name(f.path)]:
        return ModelRefused(
            f"{snapshot.repo} has no whole GGUF: parts are missing beside {parts[0]}.",
            fix="Take a repository that has all parts, or the file in one piece.",
        )
    if any(name.endswith(".safetensors") for name in names):
        return ModelRefused(
            f"{snapshot.repo} has its weights as safetensors only, which are not converted yet: "
            "that will come.",
            fix=_instead_of_safetensors(snapshot),
        )
    if any(name.endswith(PICKLES) for name in names):
        return ModelRefused(
            f"{snapshot.repo} has its weights as pickles, which can run code when they are read.",
            fix="Take a GGUF or ONNX repository of the same model; pickles are never loaded.",
        )
    return ModelRefused(
        f"{snapshot.repo} has no GGUF and no ONNX file.", fix="Take a GGUF or ONNX repository."
    )


def _instead_of_safetensors(snapshot: HubSnapshot) -> str:
    name = snapshot.repo.rpartition("/")[2]
    if snapshot.pipeline_tag in READING:
        return (
            "Take a repository of the same model with onnx/model.onnx in it, which is likely "
            f"onnx-community/{name}-ONNX or Xenova/{name}, or its GGUF."
        )
    likely = [f"{snapshot.repo}-GGUF", *(f"{owner}/{name}-GGUF" for owner in _CONVERTERS)]
    return (
        f"Take its GGUF, which is likely at {', '.join(likely[:-1])} or {likely[-1]}: "
        f"`modelyard models add {likely[0]}`. Else llama.cpp's convert_hf_to_gguf.py makes one."
    )
