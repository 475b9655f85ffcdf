"""Which files of a repository to take: the one that will be served, its parts, and its papers."""

import re

from flows.errors import ModelRefused
from flows.steps import choose_gguf, choose_onnx
from flows.steps.candidate import Candidate, Choice, Wish, matching
from flows.steps.hub import RemoteFile, Snapshot
from registry.names import Format

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".msgpack", ".h5")
READING = frozenset({"feature-extraction", "sentence-similarity", "text-classification",
                     "token-classification", "text-ranking"})  # fmt: skip
"""What the Hub calls the tasks of models that read."""

_PAPERS = re.compile(
    r"readme\.md|licen[sc]e(\.\w+)?|notice(\.\w+)?|config\.json|generation_config\.json"
    r"|tokenizer(_config)?\.json|special_tokens_map\.json",
    re.IGNORECASE,
)
_LARGEST_PAPER = 32 << 20


def choose(snapshot: Snapshot, wish: Wish) -> Choice:
    """Raises ModelRefused, NoMatchingFile or AmbiguousFile, each listing what there is."""
    gguf, onnx = choose_gguf.candidates(snapshot.files), choose_onnx.candidates(snapshot.files)
    found = [*gguf, *onnx]
    if not found:
        raise _without_model(snapshot)
    asked = matching(found, wish.glob, snapshot.repo) if wish.glob else found
    writers = [c for c in asked if c.format is Format.GGUF]
    model = choose_gguf.pick(writers, wish) if writers else choose_onnx.pick(asked, wish)
    return Choice(model, _papers(model, snapshot))


def _papers(model: Candidate, snapshot: Snapshot) -> tuple[RemoteFile, ...]:
    """The card, the licence, and the small descriptions; each once."""
    needed = choose_onnx.beside(model, snapshot) if model.format is Format.ONNX else []
    usual = [f for f in snapshot.files if _PAPERS.fullmatch(f.path)]
    return tuple(f for f in dict.fromkeys([*usual, *needed]) if f.size <= _LARGEST_PAPER)


def _without_model(snapshot: Snapshot) -> ModelRefused:
    names = [f.name.lower() for f in snapshot.files]
    if any(name.endswith(".safetensors") for name in names):
        return ModelRefused(
            f"{snapshot.repo} has safetensors only, which this version does not convert.",
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


def _instead_of_safetensors(snapshot: Snapshot) -> str:
    if snapshot.pipeline_tag in READING:
        return (
            "Take a repository of the same model with onnx/model.onnx in it (many are called the "
            "same under onnx-community or Xenova), or its GGUF repository."
        )
    return "Take its GGUF repository: many are called the same with -GGUF at the end."
