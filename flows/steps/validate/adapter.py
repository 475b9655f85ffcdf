"""Checks that a file is a LoRA adapter and fits its base model."""

from pathlib import Path
from typing import Any

from modelyard.flows.errors import ModelRefused
from modelyard.flows.steps.validate.validate import inspect
from modelyard.registry.catalog.model import Format, ModelVersion
from modelyard.serving.engines.gguf.header import Header, read

_SUFFIXES = (".lora_a", ".lora_b")
_END = len(_SUFFIXES[0])


def check_adapter(path: Path, name: str, base: ModelVersion, base_file: Path) -> None:
    """Raise InvalidModelFile for a broken file, ModelRefused for one that does not fit."""
    if base.facts.format is not Format.GGUF or (has := read(base_file)).number("pooling_type"):
        raise ModelRefused(f"{base.ref} takes no adapters: only GGUF models that write text do.")
    values: dict[str, Any] = inspect(path, name)["values"]
    if (values.get("general.type"), values.get("adapter.type")) != ("adapter", "lora"):
        raise ModelRefused(
            f"{name} is not a LoRA adapter.",
            fix="llama.cpp's convert_lora_to_gguf.py makes one from a PEFT folder.",
        )
    architecture = values.get("general.architecture")
    if architecture != base.facts.architecture:
        raise ModelRefused(
            f"{name} is for the architecture '{architecture}'; {base.ref} has "
            f"'{base.facts.architecture}'."
        )
    _check_shapes(read(path), name, base.ref, has)  # safe: the child has read it


def _check_shapes(adapter: Header, name: str, base: str, has: Header) -> None:
    """Check each pair's shapes: A must match the columns of its matrix, B the rows."""
    matrices = {tensor.name: tensor.shape for tensor in has.tensors}
    for tensor in adapter.tensors:
        target = tensor.name[:-_END]
        side = tensor.name[-_END:]
        if side not in _SUFFIXES:
            continue  # norms, which llama.cpp ignores
        matrix = matrices.get(target, ())
        outer = matrix[:1] if side == ".lora_a" else matrix[1:]
        own = tensor.shape[:1] if side == ".lora_a" else tensor.shape[1:]
        if target != "token_embd.weight" and own != outer:
            raise ModelRefused(
                f"{name} does not fit {base}: {tensor.name} has the shape {tensor.shape}, "
                f"{target} {matrix or 'is not there'}.",
                fix="It was trained on another model.",
            )
