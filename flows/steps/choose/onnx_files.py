"""Chooses a repository's ONNX model and the files that its engine reads beside it."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from modelyard.flows.errors import ModelRefused
from modelyard.flows.steps.choose.candidate import (
    ModelCandidate,
    SelectionRequest,
    ambiguous,
    fitting,
    listed,
)
from modelyard.flows.steps.hub.hub import HubSnapshot, RemoteFile

_MODULE = re.compile(r"\d{1,2}_\w{1,40}")
_MOST_MODULES = 16
_BY_QUALITY: Sequence[str] = [
    f"model{kind}.onnx"
    for kind in ("", "_fp16", "_quantized", "_int8", "_uint8", "_q4", "_q4f16", "_bnb4")
]
"""Names that exporters give, best first: whole, halves, then bytes, then half bytes."""

NEEDED = ("config.json", "tokenizer.json")
_BESIDE = (
    *NEEDED,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)


def candidates(files: Iterable[RemoteFile]) -> list[ModelCandidate]:
    """Every ONNX graph with its weight files; model.onnx first, then those nearer the root.

    Weight files are guessed by their names, which mostly begin with the graph's: model.onnx_data,
    model.onnx.data. Which they are is asked of the graph once it is here: `named_by_graph`.
    """
    known = sorted(files, key=lambda file: file.path)
    graphs = [file for file in known if file.name.lower().endswith(".onnx")]
    found = [ModelCandidate((graph, *_weights(graph, known))) for graph in graphs]
    return sorted(found, key=lambda c: (_rank(c), c.path.count("/"), c.path))


def _weights(graph: RemoteFile, files: Sequence[RemoteFile]) -> list[RemoteFile]:
    starts = (f"{graph.path}_data", f"{graph.path}.data")
    return [file for file in files if file.path.startswith(starts)]


def _rank(candidate: ModelCandidate) -> int:
    """The place of a usual name in their order of quality; names that are not usual come last."""
    name = candidate.parts[0].name.lower()
    return _BY_QUALITY.index(name) if name in _BY_QUALITY else len(_BY_QUALITY)


def pick(found: Sequence[ModelCandidate], wish: SelectionRequest) -> ModelCandidate:
    """Pick one of the candidates; raises ModelRefused, NoMatchingFile or AmbiguousFile."""
    if wish.quantize:
        raise ModelRefused(
            "An ONNX model is served as it is: nothing here quantizes one.",
            fix="Leave --quantize out, and name a smaller file with --file. " + listed(found),
        )
    if wish.glob and len(found) == 1:
        return found[0]
    fits = fitting(found, wish.memory_bytes)
    best = [c for c in fits if _rank(c) == _rank(fits[0])]
    if len(best) > 1:
        raise ambiguous(found, wish.memory_bytes)
    return fits[0]


def named_by_graph(
    model: ModelCandidate, names: Iterable[str], snapshot: HubSnapshot
) -> ModelCandidate:
    """The model with the weight files that its graph names; raises ModelRefused if one is absent.

    Those that were guessed by their names and that the graph does not name are left out.
    """
    graph = model.parts[0]
    files = {file.path: file for file in snapshot.files}
    paths = [str(PurePosixPath(graph.path).with_name(name)) for name in names]
    if missing := [path for path in paths if path not in files]:
        raise ModelRefused(
            f"{graph.path} keeps weights in {missing[0]}, which {snapshot.repo} does not have"
            + (f", nor {len(missing) - 1} others." if missing[1:] else "."),
            fix="Its upload is not complete: take another revision or repository, or ask its "
            "owner for the rest.",
        )
    return ModelCandidate((graph, *(files[path] for path in paths)))


def beside(model: ModelCandidate, snapshot: HubSnapshot) -> list[RemoteFile]:
    """Files that the engine reads with the graph; raises ModelRefused if a needed one is absent."""
    files = {file.path: file for file in snapshot.files}
    folder = PurePosixPath(model.path).parent
    roots = dict.fromkeys((folder.parent, folder))  # the upper folder has the complete files
    root = next((r for r in roots if all(str(r / name) in files for name in NEEDED)), None)
    if root is None:
        raise ModelRefused(
            f"{model.path} has no {' and '.join(NEEDED)} beside it or one folder up.",
            fix="Take a repository that has both, as those exported with optimum do.",
        )
    named = [files[str(root / name)] for name in _BESIDE if str(root / name) in files]
    modules = [file for path, file in files.items() if _is_module(PurePosixPath(path), root)]
    return named + modules[:_MOST_MODULES]


def _is_module(path: PurePosixPath, root: PurePosixPath) -> bool:
    """Whether it describes a module of sentence-transformers, such as 1_Pooling/config.json."""
    return (
        path.name == "config.json"
        and path.parent.parent == root
        and _MODULE.fullmatch(path.parent.name) is not None
    )
