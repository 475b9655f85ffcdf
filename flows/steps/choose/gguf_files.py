"""Chooses a repository's GGUF: the best that fits, or the one to quantize from."""

from collections.abc import Iterable, Sequence

from modelyard.flows.errors import ModelRefused
from modelyard.flows.steps.choose import quantizations
from modelyard.flows.steps.choose.candidate import (
    SPLIT,
    ModelCandidate,
    SelectionRequest,
    ambiguous,
    fitting,
    listed,
)
from modelyard.flows.steps.hub.hub import RemoteFile

_NOT_A_MODEL = ("mmproj", "imatrix")


def candidates(files: Iterable[RemoteFile]) -> list[ModelCandidate]:
    """Every complete GGUF model, best quality first, without vision projectors and the like."""
    models = [f for f in files if f.name.lower().endswith(".gguf")]
    groups: dict[str, list[RemoteFile]] = {}
    for file in sorted(models, key=lambda f: f.path):
        if not any(word in file.name.lower() for word in _NOT_A_MODEL):
            split = SPLIT.fullmatch(file.path)
            groups.setdefault(
                f"{split['stem']}/{split['count']}" if split else file.path, []
            ).append(file)
    whole = [ModelCandidate(tuple(parts)) for parts in groups.values() if _is_whole(parts)]
    return sorted(whole, key=lambda c: (quantizations.rank(c.quantization), c.path))


def pick(found: Sequence[ModelCandidate], wish: SelectionRequest) -> ModelCandidate:
    """Pick one of the candidates; raises ModelRefused, NoMatchingFile or AmbiguousFile."""
    return _source(found, wish) if wish.quantize else _to_serve(found, wish)


def _is_whole(parts: Sequence[RemoteFile]) -> bool:
    split = SPLIT.fullmatch(parts[0].path)
    if split is None:
        return True
    numbers = [int(_number(part)) for part in parts]
    return numbers == list(range(1, int(split["count"]) + 1))


def _number(part: RemoteFile) -> str:
    return part.path[-len("00001-of-00003.gguf") :][:5]


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
    return _only(possible)


def _to_serve(found: Sequence[ModelCandidate], wish: SelectionRequest) -> ModelCandidate:
    """The requested file or, among several, the best quality that fits the memory."""
    if wish.glob and len(found) == 1:
        return found[0]
    return _only(fitting(found, wish.memory_bytes))


def _only(found: Sequence[ModelCandidate]) -> ModelCandidate:
    """The first by quality; raises AmbiguousFile if there are others of the same type."""
    best = [c for c in found if c.quantization == found[0].quantization]
    if len(best) > 1:
        raise ambiguous(best)
    return found[0]
