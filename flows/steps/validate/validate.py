"""Validates a model file: a limited child process reads it into facts, or it is refused."""

from pathlib import Path
from typing import Any

from modelyard.flows.errors import InvalidModelFile, ModelRefused
from modelyard.flows.steps.choose import quantizations
from modelyard.flows.steps.validate.child import read_in_child
from modelyard.registry.catalog.model import Format, Kind, ModelFacts
from modelyard.registry.catalog.plain_text import plain_line
from modelyard.serving.engines.gguf.architectures import is_encoder

_READERS = {
    ".gguf": "modelyard.flows.steps.validate.gguf_facts",
    ".safetensors": "modelyard.flows.steps.validate.safetensors_header",
}
_RANKS = 4
"""llama.cpp's pooling type of cross-encoders."""

_KEPT = {
    "layers": "block_count",
    "embedding_length": "embedding_length",
    "heads": "attention.head_count",
    "kv_heads": "attention.head_count_kv",
    "key_length": "attention.key_length",
    "value_length": "attention.value_length",
    "experts": "expert_count",
    "sliding_window": "attention.sliding_window",
}


def validate(path: Path, name: str, licence: str | None = None) -> ModelFacts:
    """The facts of a GGUF called `name`; raises InvalidModelFile or ModelRefused."""
    header = inspect(path, name)
    values: dict[str, Any] = header["values"]
    architecture = values.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        raise InvalidModelFile(f"{name} does not say what architecture it has.")
    if values.get("general.type") == "adapter":
        raise ModelRefused(
            f"{name} is an adapter, which runs only with its base.",
            fix="Add the base, then this with `modelyard models add-adapter`.",
        )
    if not header["tensors"]:
        raise InvalidModelFile(f"{name} has no tensors.")
    return ModelFacts(
        format=Format.GGUF,
        architecture=plain_line(architecture, 100),
        quantization=quantizations.of_file_type(_whole(values.get("general.file_type")))
        or quantizations.of_matrices(header["matrix_types"]),
        context_length=_whole(values.get(f"{architecture}.context_length")),
        parameters=header["parameters"],
        licence=licence or _line(values.get("general.license")),
        chat_template=_text(values.get("tokenizer.chat_template")),
        details=_details(values, architecture) | {"kind": _kind(values, architecture, name)},
    )


def inspect(path: Path, name: str) -> dict[str, Any]:
    """What the reader for the file's format prints; raises InvalidModelFile or ModelRefused."""
    reader = _READERS.get(Path(name).suffix.lower())
    if reader is None:
        raise ModelRefused(f"{name} is of no format that is loaded.")
    return read_in_child(reader, path, name)


def _kind(values: dict[str, Any], architecture: str, name: str) -> str:
    """EMBED for a model with pooling, else GENERATE.

    Raises ModelRefused for a cross-encoder, and for an encoder whose pooling is not known.
    """
    pooling = _whole(values.get(f"{architecture}.pooling_type")) or 0
    if pooling == _RANKS:
        raise ModelRefused(
            f"{name} ranks texts, which GGUF models cannot do here.",
            fix="Take its ONNX repository: cross-encoders are served from ONNX.",
        )
    if not pooling and is_encoder(values):
        raise ModelRefused(
            f"{name} is an encoder ({plain_line(architecture, 100)}) that does not say how its "
            f"vectors are pooled: {plain_line(architecture, 100)}.pooling_type is missing or 0.",
            fix="Take a file of the same model that was converted anew, or its ONNX repository.",
        )
    return Kind.EMBED.value if pooling else Kind.GENERATE.value


def _details(values: dict[str, Any], architecture: str) -> dict[str, Any]:
    named = {word: values.get(f"{architecture}.{key}") for word, key in _KEPT.items()}
    found: dict[str, int | str | None] = {word: _largest(value) for word, value in named.items()}
    found["vocabulary"] = _length(values.get("tokenizer.ggml.tokens"))
    found["tokenizer"] = _line(values.get("tokenizer.ggml.model"))
    return {word: value for word, value in found.items() if value is not None}


def _largest(value: Any) -> int | None:
    """A count; if each layer has its own, the largest."""
    if isinstance(value, dict):
        return max((n for n in value["numbers"] if isinstance(n, int)), default=None)
    return _whole(value)


def _length(value: Any) -> int | None:
    return value["length"] if isinstance(value, dict) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _line(value: Any) -> str | None:
    """Words of a stranger that are only shown."""
    return plain_line(value, 200) or None if isinstance(value, str) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
