"""Makes a smaller file of a model with llama.cpp, once per source and type."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import Any

from modelyard.flows.errors import ModelRefused, QuantizationFailed, UnknownQuantization
from modelyard.flows.steps.choose import quantizations
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.catalog.model import StoredFile
from modelyard.registry.store import Store
from modelyard.serving.engines.child.ending import ending
from modelyard.serving.engines.child.environment import child_environment
from modelyard.serving.engines.child.pipes import last_words, pipes

Tensors = Callable[[int, int], None]
"""Progress callback: tensors done, and tensors in total."""

MERGED = "merged"
_OTHER_FILE = "Take a file that is quantized already with --file."


def makeable(name: str) -> str:
    """The canonical name of a type that can be made; raises UnknownQuantization."""
    usual = quantizations.canonical(name)
    if usual not in quantizations.MAKEABLE:
        raise UnknownQuantization(
            f"'{name}' is not a quantization that can be made.",
            fix=f"Take one of {', '.join(quantizations.MAKEABLE)}.",
        )
    return usual


def check_source(name: str, found: str | None, *, allow_requantize: bool) -> None:
    """Raise ModelRefused for a source that is already quantized."""
    if found not in quantizations.FLOATS and not allow_requantize:
        raise ModelRefused(
            f"{name} is {found or 'of an unknown type'}: quantizing it again loses quality twice.",
            fix="Name an F16, BF16 or F32 file with --file, or pass --allow-requantize.",
        )


@dataclass(frozen=True, slots=True)
class Quantizer:
    """Makes files from files in the store, and records the results."""

    store: Store
    results: BuildRecords
    threads: int

    def quantize(self, source: StoredFile, found: str | None, to: str, told: Tensors) -> StoredFile:
        """Convert `source` from type `found` to type `to`; raises QuantizationFailed."""
        if found == to:
            self.results.record_build(source.sha256, recipe(to), source.sha256, source.size)
            return source
        path = str(PurePosixPath(source.path).with_name(file_name(source.path, to)))
        return self._once(QuantizeTask((source,), to, path), told)

    def merge(self, parts: tuple[StoredFile, ...], path: str, told: Tensors) -> StoredFile:
        """Merge the parts of a split model into the one file that the engine opens."""
        return self._once(QuantizeTask(parts, None, path), told)

    def _once(self, making: "QuantizeTask", told: Tensors) -> StoredFile:
        known = self.results.built(making.key, making.recipe)
        if known and self.store.has(known.sha256):
            return StoredFile(making.path, known.sha256, known.size)
        self.store.make_room(making.size)
        with self.store.scratch() as folder:
            target = folder / "made"
            _run(making, self._linked(making, folder), target, self.threads, told=told)
            with target.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            stored = self.store.adopt(target, sha256, verify=False)
        self.results.record_build(making.key, making.recipe, stored.sha256, stored.size)
        return StoredFile(making.path, stored.sha256, stored.size)

    def _linked(self, making: "QuantizeTask", folder: Path) -> Path:
        """Link the sources under their own names, which llama.cpp needs; returns the first link."""
        links = [folder / PurePosixPath(source.path).name for source in making.sources]
        for link, source in zip(links, making.sources, strict=True):
            place_beside(link, self.store.path(source.sha256))
        return links[0]


def place_beside(link: Path, target: Path) -> None:
    """Make a file appear at another name; volumes without links of either kind get a copy."""
    for make in (link.symlink_to, link.hardlink_to):
        with suppress(OSError):
            make(target)
            return
    shutil.copyfile(target, link)


@dataclass(frozen=True, slots=True)
class QuantizeTask:
    """A file to make from source files; with `to` None the parts are only merged."""

    sources: tuple[StoredFile, ...]
    to: str | None
    path: str

    @property
    def key(self) -> str:
        return key_of_hashes([source.sha256 for source in self.sources])

    @property
    def recipe(self) -> str:
        return recipe(self.to or MERGED)

    @property
    def size(self) -> int:
        return sum(source.size for source in self.sources)


def key_of_hashes(hashes: Sequence[str]) -> str:
    """The key of the sources in the build records: the hash itself, or a hash of all hashes."""
    if len(hashes) == 1:
        return hashes[0]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def recipe(to: str) -> str:
    return f"gguf:{to}:llama-cpp-python {version('llama-cpp-python')}"


def file_name(path: str, to: str) -> str:
    """The file name for a type: model-f16.gguf as Q4_K_M is model-Q4_K_M.gguf."""
    stem = PurePosixPath(path).stem
    found = quantizations.in_name(stem)
    if found and quantizations.canonical(stem[-len(found) :]) == found:
        stem = stem[: -len(found)].rstrip("-._")
    return f"{stem}-{to}.gguf"


def _run(making: QuantizeTask, source: Path, target: Path, threads: int, *, told: Tensors) -> None:
    argv = [sys.executable, "-I", "-m", "modelyard.flows.steps.build.quantize_child"]
    ask = {"source": str(source), "target": str(target), "type": making.to, "threads": threads}
    with (
        TemporaryFile() as said,
        subprocess.Popen(
            argv,
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as child,
    ):
        try:
            answer = _follow(child, ask, told)
        except BaseException:
            child.kill()
            raise
        ended = ending(child.wait())
        if answer is None or (answer["failed"] is None and child.returncode):
            words = last_words(said) or "none"
            what = f"Making {making.path} failed: llama.cpp {ended}. Its last words: {words}"
            raise QuantizationFailed(what, fix=ended.fix or _OTHER_FILE)
    if answer["failed"] is not None:
        what = f"Making {making.path} failed: {answer['failed']}."
        raise QuantizationFailed(what, fix=_OTHER_FILE)


def _follow(
    child: subprocess.Popen[bytes], ask: dict[str, Any], told: Tensors
) -> dict[str, Any] | None:
    """Send the task and report progress; returns the child's last line, or None if it crashed."""
    stdin, stdout = pipes(child)
    with suppress(BrokenPipeError):  # it died at once: its exit status says more
        stdin.write(json.dumps(ask).encode() + b"\n")
        stdin.flush()
    for line in stdout:
        facts: dict[str, Any] = json.loads(line)
        if "failed" in facts:
            return facts
        told(facts["done"], facts["total"])
    return None
