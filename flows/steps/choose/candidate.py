"""Models found among a repository's files, the caller's request, and the selection."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from modelyard.flows.errors import AmbiguousFile, NoMatchingFile
from modelyard.flows.steps.choose import quantizations
from modelyard.flows.steps.choose.part_names import part_name
from modelyard.flows.steps.hub.hub import RemoteFile
from modelyard.registry.catalog.model import Format
from modelyard.registry.sizes import size_text

_WORKING_MEMORY = 512 << 20
"""Bytes besides the weights for a small context; a rough value, the worker estimates exactly."""


@dataclass(frozen=True, slots=True)
class SelectionRequest:
    """The caller's request: a glob, types to quantize to, and memory to fit in, in bytes."""

    glob: str | None = None
    quantize: tuple[str, ...] = ()
    memory_bytes: int = 0
    allow_requantize: bool = False


@dataclass(frozen=True, slots=True)
class ModelCandidate:
    """One complete model: a single GGUF, all parts of a split one, or an ONNX with its weights."""

    parts: tuple[RemoteFile, ...]

    @property
    def format(self) -> Format:
        return Format.ONNX if self.parts[0].name.lower().endswith(".onnx") else Format.GGUF

    @property
    def path(self) -> str:
        """The model file's path; for a split model, the path it would have as one file."""
        part = part_name(self.parts[0].path)
        return part.whole if part else self.parts[0].path

    @property
    def is_cut(self) -> bool:
        """Whether the parts are pieces of bytes, which are no GGUF files by themselves."""
        part = part_name(self.parts[0].path)
        return part is not None and part.is_bytes

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def quantization(self) -> str | None:
        return quantizations.in_name(self.path)


@dataclass(frozen=True, slots=True)
class FileSelection:
    """The model to fetch, and the small files that accompany it."""

    model: ModelCandidate
    companion_files: tuple[RemoteFile, ...]


def matching(found: Sequence[ModelCandidate], glob: str, repo: str) -> list[ModelCandidate]:
    """The candidates with a part whose path or name matches the glob, ignoring case."""
    low = glob.lower()
    hits = [c for c in found if any(fnmatchcase(name.lower(), low) for name in _names(c))]
    if not hits:
        raise NoMatchingFile(f"No model file of {repo} fits '{glob}'.", fix=listed(found))
    return hits


def _names(candidate: ModelCandidate) -> set[str]:
    paths = {candidate.path, *(part.path for part in candidate.parts)}
    return paths | {path.rsplit("/", 1)[-1] for path in paths}


def fitting(found: Sequence[ModelCandidate], memory_bytes: int) -> list[ModelCandidate]:
    """The candidates that fit the memory (0: no bound); raises NoMatchingFile if none does."""
    fits = [c for c in found if _fits(c, memory_bytes)]
    if not fits:
        smallest = min(found, key=lambda c: c.size)
        raise NoMatchingFile(
            f"None fits in {size_text(memory_bytes)} of memory: the smallest, "
            f"{smallest.path}, is {size_text(smallest.size)}.",
            fix="Name one with --file to add it anyway, or raise --memory-gb.",
        )
    return fits


def _fits(candidate: ModelCandidate, memory_bytes: int) -> bool:
    return not memory_bytes or _needed(candidate) <= memory_bytes


def _needed(candidate: ModelCandidate) -> int:
    return candidate.size + candidate.size // 10 + _WORKING_MEMORY


def ambiguous(found: Sequence[ModelCandidate], memory_bytes: int = 0) -> AmbiguousFile:
    """The question which of several is meant, with their sizes and what fits the memory."""
    choices = listed(found, memory_bytes)
    return AmbiguousFile(
        f"{len(found)} files could be meant.", fix=f"Name one with --file. {choices}"
    )


def listed(found: Sequence[ModelCandidate], memory_bytes: int = 0, *, most: int = 30) -> str:
    """The candidates with their sizes; of those that need more than the memory it is said."""
    rows = [f"  {_described(c, memory_bytes)}" for c in found[:most]]
    more = [f"  … and {len(found) - most} more"] if len(found) > most else []
    return "\n".join(["It has:", *rows, *more])


def _described(candidate: ModelCandidate, memory_bytes: int) -> str:
    size = size_text(candidate.size)
    if _fits(candidate, memory_bytes):
        return f"{candidate.path}  ({size})"
    return f"{candidate.path}  ({size}, too large for {size_text(memory_bytes)})"
