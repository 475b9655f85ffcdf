"""Whether the installed llama.cpp works on this worker's processor: tested once, then remembered.

A build for another processor crashes on the first matrix or computes garbage: the worker refuses
the versions it affects before loading them, and the error says how to fix it.
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
    """The installed llama.cpp crashes or computes wrong results for this quantization here."""

    code = "not_computable"


class Computable(Protocol):
    """Checks whether this worker can compute a version."""

    async def check(self, version: ModelVersion) -> None:
        """Raise NotComputable if this worker cannot compute the version."""
        ...


class Everything:
    """Refuses nothing, because nothing was tested."""

    async def check(self, version: ModelVersion) -> None:
        pass


@dataclass(slots=True)
class LlamaTrial:
    """Uses the result in `folder` from `doctor`, set-up or an earlier worker, or runs the trial.

    With `on_gpu` only a failure to load counts: the processor's kernels hardly matter then.
    """

    folder: Path
    on_gpu: bool
    _trial: asyncio.Task[Trial] | None = field(default=None, init=False)

    def begin(self) -> asyncio.Task[Trial]:
        """Start the trial once and return its task, which may be done; failures are logged."""
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
        """The trial's result; if it cannot run, everything counts as computable."""
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
    """Log the result in one line."""
    used = uses(trial, Path(sys.prefix))
    if trial.works:
        _log.info("llama_cpp_tried", processor=used)
    else:
        _log.error("llama_cpp_fails", reason=str(trial), fix=REBUILD, processor=used)
