"""Tests the installed llama.cpp on this processor with every quantization that Modelyard makes.

`python -m modelyard.serving.engines.llama_cpp.trial.trial` prints the result and exits with 1 if
anything fails. It takes two seconds, plus more for each quantization that crashes llama.cpp: the
trial runs in a child process, and a new child continues after the crash.
"""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

from modelyard.registry.errors import ModelyardError
from modelyard.registry.process.python import python_module
from modelyard.serving.engines.child.ending import ending
from modelyard.serving.engines.child.environment import child_environment
from modelyard.serving.engines.child.pipes import last_words, patience, pipes

MADE = ("F32", "BF16", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q4_0")
"""Quantizations that Modelyard makes."""

TYPES = (*MADE, "Q5_1", "Q5_0", "Q4_1", "Q3_K_M", "Q2_K", "IQ4_NL", "IQ4_XS")
"""Those and others in published models: all that can be made without calibration text."""

ALLOWED = 0.25
"""Allowed error relative to the RMS result: rounding gives at most 0.07, a wrong kernel 1."""

PATIENCE_S = 300.0
"""Time limit of one child, which normally takes 2 s; if one hangs, the trial stops there."""

REBUILD = (
    "`make setup` builds llama.cpp anew without what fails here; where it was installed by pip: "
    "`CMAKE_ARGS=-DGGML_NATIVE=OFF pip install --force-reinstall --no-cache-dir llama-cpp-python`."
)
"""The suggested fix if something fails."""

LOADING = "everything, as soon as it is loaded"
"""The fault's name if the library cannot even be loaded."""

_FROM_OUTSIDE = {signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM, signal.SIGXCPU}
"""Signals that say nothing about the library: out of memory, or stopped by someone."""


class TrialImpossible(ModelyardError):
    """llama.cpp could not be tested, for a reason outside llama.cpp."""

    code = "trial_impossible"


@dataclass(frozen=True, slots=True)
class Trial:
    """Faults by quantization, and the processor features that the library uses."""

    faults: Mapping[str, str] = field(default_factory=dict[str, str])
    features: tuple[str, ...] = ()
    gpu: bool = False

    @property
    def works(self) -> bool:
        return not self.faults

    def fault_of(self, quantization: str) -> str | None:
        """How a quantization fails, itself or as another mixture (Q3_K_M for Q3_K_S)."""
        if (loading := self.faults.get(LOADING)) is not None:
            return loading
        by_base = {_base(name): fault for name, fault in self.faults.items()}
        return self.faults.get(quantization) or by_base.get(_base(quantization))

    @property
    def useless(self) -> bool:
        """Whether every quantization that Modelyard makes fails."""
        return LOADING in self.faults or all(name in self.faults for name in MADE)

    def __str__(self) -> str:
        """`SIGILL with Q4_K_M, Q4_K_S; wrong results with Q8_0`."""
        by_fault = dict[str, list[str]]()
        for name, fault in self.faults.items():
            by_fault.setdefault(fault, []).append(name)
        told = [f"{fault} with {', '.join(names)}" for fault, names in by_fault.items()]
        return "; ".join(told) or "every quantization is computed rightly"


def try_library(
    types: Sequence[str] = TYPES,
    *,
    environment: Mapping[str, str] | None = None,
    gpu_layers: int = 0,
    patience_s: float = PATIENCE_S,
) -> Trial:
    """Compute known results with each type; with `gpu_layers` on the GPU, else on the CPU.

    Raises TrialImpossible if the failure is not llama.cpp's.
    """
    surroundings = {**child_environment(), "OPENBLAS_NUM_THREADS": "1", **(environment or {})}
    if not gpu_layers:
        surroundings["CUDA_VISIBLE_DEVICES"] = ""
    faults = dict[str, str]()
    library = dict[str, Any]()
    try:
        with TemporaryDirectory() as folder:
            ask = {"folder": folder, "gpu_layers": gpu_layers}
            for child in _children(types, ask, surroundings, patience_s):
                faults |= child.run(library)
    except OSError as error:
        raise TrialImpossible(f"llama.cpp could not be tried: {error}") from error
    return Trial(faults, tuple(library.get("features", ())), bool(library.get("gpu")))


def _children(
    types: Sequence[str], ask: dict[str, Any], environment: Mapping[str, str], patience_s: float
) -> Iterator["_TrialChild"]:
    """One child for all types; after a crash, another for the remaining ones."""
    left = [*types]
    while left:
        child = _TrialChild(ask | {"types": left}, environment, patience_s)
        yield child
        if child.hung or child.trying == LOADING:
            return
        left = left[left.index(child.trying) + 1 :]


def _base(quantization: str) -> str:
    return re.sub(r"_[SML]$", "", quantization)


@dataclass(slots=True)
class _TrialChild:
    """One child process, and the quantization it has reached."""

    ask: dict[str, Any]
    environment: Mapping[str, str]
    patience_s: float
    trying: str = LOADING
    hung: bool = False

    def run(self, library: dict[str, Any]) -> dict[str, str]:
        """The faults it found, including its own crash."""
        command = python_module("modelyard.serving.engines.llama_cpp.trial.child")
        with (
            TemporaryFile() as said,
            subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
            ) as child,
            patience(child, self.patience_s) as over,
        ):
            try:
                faults = dict(self._faults(child, library))
            except BaseException:
                child.kill()
                raise
            code = child.wait()
            self.hung = over.is_set()
            if self.hung:
                return faults | {self.trying: f"no end within {self.patience_s:.0f} s"}
            return faults | self._death(code, said)

    def _faults(
        self, child: subprocess.Popen[bytes], library: dict[str, Any]
    ) -> Iterator[tuple[str, str]]:
        stdin, stdout = pipes(child)
        with suppress(BrokenPipeError):  # the child died at once: its exit status says more
            stdin.write(json.dumps(self.ask).encode() + b"\n")
            stdin.close()
        for line in stdout:
            told: dict[str, Any] = json.loads(line)
            if "features" in told:
                library |= told
            elif "trying" in told:
                self.trying = told["trying"]
            elif told["off"] is None or told["off"] > ALLOWED:
                yield self.trying, "wrong results"

    def _death(self, code: int, said: IO[bytes]) -> dict[str, str]:
        ended = ending(code)
        if code > 0 or -code in _FROM_OUTSIDE:
            words = "".join(last_words(said).splitlines()[-1:])
            raise TrialImpossible(f"llama.cpp could not be tried: {words or ended}", fix=ended.fix)
        return {self.trying: ended.how.removeprefix("was ended by ")} if code else {}


def main() -> int:
    trial = try_library()
    sys.stdout.write(f"{trial} (it uses {', '.join(trial.features) or 'nothing special'})\n")
    return 0 if trial.works else 1


if __name__ == "__main__":
    sys.exit(main())
