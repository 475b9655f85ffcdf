"""Chooses a repository's GGUF: the best that fits, or the one to quantize from."""

import re
from collections.abc import Iterable, Sequence

from modelyard.flows.errors import ModelRefused
from modelyard.flows.steps.choose import quantizations
from modelyard.flows.steps.choose.candidate import (
    ModelCandidate,
    SelectionRequest,
    ambiguous,
    fitting,
    listed,
)
from modelyard.flows.steps.choose.part_names import are_whole, part_name
from modelyard.flows.steps.hub.hub import RemoteFile

_PROJECTOR = re.compile(r"(?:^|[-_.])mmproj(?:[-_.]|$)", re.IGNORECASE)


def candidates(files: Iterable[RemoteFile]) -> list[ModelCandidate]:
    """Every complete GGUF model, best quality first, without vision projectors and the like."""
    groups: dict[object, list[RemoteFile]] = {}
    for file in sorted(files, key=_place):
        part = part_name(file.path)
        is_gguf = part is not None or file.name.lower().endswith(".gguf")
        if is_gguf and _is_model(file.name):
            groups.setdefault(part.group if part else file.path, []).append(file)
    whole = [ModelCandidate(tuple(parts)) for parts in groups.values() if _is_whole(parts)]
    return sorted(whole, key=_quality)


def pick(found: Sequence[ModelCandidate], wish: SelectionRequest) -> ModelCandidate:
    """Pick one of the candidates; raises ModelRefused, NoMatchingFile or AmbiguousFile."""
    return _source(found, wish) if wish.quantize else _to_serve(found, wish)


def _is_model(name: str) -> bool:
    """Whether a GGUF is no projector, vocabulary or importance matrix.

    A model's name may say that it was made with a matrix; then it says its quantization as well.
    """
    low = name.lower()
    if _PROJECTOR.search(low) or low.startswith("ggml-vocab"):
        return False
    return "imatrix" not in low or quantizations.in_name(name) is not None


def _quality(candidate: ModelCandidate) -> tuple[int, bool, str]:
    """The order of choice: by type, those with dynamic types first, then by path."""
    dynamic = quantizations.is_dynamic(candidate.path)
    return quantizations.rank(candidate.quantization), not dynamic, candidate.path


def _place(file: RemoteFile) -> tuple[str, int]:
    """By path, and parts by their numbers: .part10of12 comes after .part9of12."""
    part = part_name(file.path)
    return (part.whole, part.number) if part else (file.path, 0)


def _is_whole(parts: Sequence[RemoteFile]) -> bool:
    names = [name for part in parts if (name := part_name(part.path))]
    return not names or are_whole(names)


def _source(found: Sequence[ModelCandidate], wish: SelectionRequest) -> ModelCandidate:
    """The file to quantize from: the best unquantized one, or any with `allow_requantize`."""
    unquantized = [c for c in found if c.quantization in quantizations.FLOATS]
    # A name without a type may be of any type: validation reads it from the header.
    possible = unquantized or [c for c in found if c.quantization is None or wish.allow_requantize]
    if not possible:
        raise ModelRefused(
            "There is no F16, BF16 or F32 file to quantize from.",
            fix="Leave --quantize out to take one as it is, or pass --allow-requantize. "
            + listed(found),
        )
    return _only(possible, wish)


def _to_serve(found: Sequence[ModelCandidate], wish: SelectionRequest) -> ModelCandidate:
    """The requested file or, among several, the best quality that fits the memory."""
    if wish.glob and len(found) == 1:
        return found[0]
    return _only(fitting(found, wish.memory_bytes), wish)


def _only(found: Sequence[ModelCandidate], wish: SelectionRequest) -> ModelCandidate:
    """The first by quality; raises AmbiguousFile if there are others of the same type."""
    best = [c for c in found if _quality(c)[:2] == _quality(found[0])[:2]]
    if len(best) > 1:
        raise ambiguous(best, wish.memory_bytes)
    return found[0]
