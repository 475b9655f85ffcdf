"""What the installed llama.cpp can compute on this worker's processor: found out once, then known.

A build for another processor dies on the first matrix, or computes nonsense: such a version is
refused before it is loaded, with what to do.
"""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from modelyard.registry.catalog.model import Format, ModelVersion
from modelyard.registry.logs import logger
from modelyard.registry.process.python import python_module
from modelyard.serving.child_process import end_group, start_child
from modelyard.serving.engines.child.environment import child_environment
from modelyard.serving.engines.llama_cpp.trial.result import library_folder, remembered, trial_of
from modelyard.serving.engines.llama_cpp.trial.summary import uses
from modelyard.serving.engines.llama_cpp.trial.trial import LOADING, REBUILD, Trial
from modelyard.serving.errors import ModelUnloadable

_log = logger("modelyard.worker")


class NotComputable(ModelUnloadable):
    """The installed llama.cpp dies on a version's quantization on this processor, or is wrong."""

    code = "not_computable"


class Computable(Protocol):
    """Knows what this worker can compute."""

    async def check(self, version: ModelVersion) -> None:
        """Raises NotComputable."""
        ...


class Everything:
    """Nothing was tried, so nothing is refused."""

    async def check(self, version: ModelVersion) -> None:
        pass


@dataclass(slots=True)
class LlamaTrial:
    """Of `doctor` or of a worker before, which `folder` remembers; of set-up; or our own.

    With `on_gpu` the processor's own kernels matter little.
    """

    folder: Path
    on_gpu: bool
    _trial: asyncio.Task[Trial] | None = field(default=None, init=False)

    def begin(self) -> asyncio.Task[Trial]:
        """The one trial, which may be over; what fails of it is in the log."""
        if self._trial is None:
            self._trial = asyncio.create_task(self._tried(), name="trial of llama.cpp")
        return self._trial

    async def check(self, version: ModelVersion) -> None:
        if version.facts.format != Format.GGUF:
            return
        trial = await asyncio.shield(self.begin())
        name = version.facts.quantization or "this model"
        fault = trial.faults.get(LOADING) if self.on_gpu else trial.fault_of(name)
        if fault is not None:
            what = f"llama.cpp fails on this processor with {name}: {fault}"
            raise NotComputable(f"{version.ref} cannot be served here. {what}.", fix=REBUILD)

    async def _tried(self) -> Trial:
        """Where it cannot be tried all counts as computable: an engine that dies says so itself."""
        if library_folder() is None:
            return Trial()
        trial = remembered(self.folder, Path(sys.prefix))
        if trial is None:
            answer = await _answer(self.folder)
            if "error" in answer:
                _log.warning("llama_cpp_not_tried", reason=answer["error"]["message"])
                return Trial()
            trial = trial_of(answer)
        _tell(trial)
        return trial


async def _answer(folder: Path) -> dict[str, Any]:
    command = python_module("modelyard.serving.engines.llama_cpp.trial.result", str(folder))
    child = await start_child(
        *command, env=child_environment(Format.GGUF), stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
    )
    try:
        said, _ = await child.communicate()
    finally:
        if child.returncode is None:
            end_group(child, signal.SIGKILL)
            await child.wait()
    ended = {"error": {"message": f"the trial ended with {child.returncode}"}}
    return json.loads(said) if said else ended


def _tell(trial: Trial) -> None:
    """One line of the log."""
    used = uses(trial, Path(sys.prefix))
    if trial.works:
        _log.info("llama_cpp_tried", processor=used)
    else:
        _log.error("llama_cpp_fails", reason=str(trial), fix=REBUILD, processor=used)
