"""Validates an ONNX model: a limited child process reads it into facts, or it is refused."""

import json
from pathlib import Path
from typing import Any

from modelyard.flows.steps.validate.child import read_in_child
from modelyard.registry.catalog.model import Format, Kind, ModelFacts
from modelyard.registry.catalog.plain_text import plain_line

_TELLING = frozenset(
    {"feature-extraction", "sentence-similarity", "token-classification", "text-ranking"}
)
"""Tasks that the card states better than the files; "text-classification" also tags rankers."""


def weight_files_of(path: Path, name: str, pipeline_tag: str | None = None) -> list[str]:
    """The names of the files beside the graph at `path` that hold its weights.

    Beside it are its small files only. Raises InvalidModelFile or ModelRefused for a graph that
    would be refused with its weights as well.
    """
    options = json.dumps(_options(pipeline_tag))
    return read_in_child("modelyard.flows.steps.validate.onnx_ahead", path, name, options)["files"]


def validate_onnx(
    path: Path, name: str, licence: str | None = None, pipeline_tag: str | None = None
) -> ModelFacts:
    """The facts of the graph at `path`, in a folder with all its files under their own names.

    Raises InvalidModelFile or ModelRefused.
    """
    options = _options(pipeline_tag)
    found = read_in_child(
        "modelyard.flows.steps.validate.onnx_facts", path, name, json.dumps(options)
    )
    return ModelFacts(
        format=Format.ONNX,
        architecture=plain_line(found["architecture"], 100) or "unknown",
        quantization=found["type"],
        context_length=found["positions"] or None,
        parameters=found["parameters"],
        licence=licence,
        details=_details(found) | {"engine_options": options},
    )


def _options(pipeline_tag: str | None) -> dict[str, str]:
    return {"pipeline_tag": pipeline_tag} if pipeline_tag in _TELLING else {}


def _details(found: dict[str, Any]) -> dict[str, Any]:
    named = {
        "kind": found["task"],
        "embedding_length": found["width"],
        "normalised": found["normalised"],
        "many_labels": found["many_labels"],
    }
    pooling = {"pooling": found["pooling"]} if found["task"] == Kind.EMBED else {}
    labels = (
        {"labels": [plain_line(label, 100) for label in found["labels"]]}
        if found["task"] in {Kind.CLASSIFY, Kind.TOKEN_CLASSIFY}
        else {}
    )
    return named | pooling | labels
