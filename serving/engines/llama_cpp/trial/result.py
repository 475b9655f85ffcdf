"""Stores a trial's result, which is valid while library and processor stay the same.

`python -m modelyard.serving.engines.llama_cpp.trial.result FOLDER` runs a trial, stores the result
there and prints it as one line of JSON: `{"faults", "features", "gpu"}`, or `{"error": {code,
message, fix}}`.
"""

import sys
from contextlib import suppress
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from modelyard.serving.engines.child.environment import child_environment
from modelyard.serving.engines.llama_cpp.trial.json_file import keep, read_kept
from modelyard.serving.engines.llama_cpp.trial.processor import this_processor
from modelyard.serving.engines.llama_cpp.trial.trial import (
    TYPES,
    Trial,
    TrialImpossible,
    try_library,
)
from modelyard.serving.engines.report import StartupReport
from modelyard.serving.parent_death import die_with_parent

FILE = "llama_cpp_trial.json"


def remembered(*folders: Path) -> Trial | None:
    """The result from the first folder that has one for this library and processor."""
    here = _here()
    every = [read_kept(folder / FILE) for folder in folders]
    return next((trial_of(known) for known in every if known.get("of") == here), None)


def tried(folder: Path) -> Trial:
    """The result in `folder`, else a new trial's, which is stored; raises TrialImpossible."""
    return remembered(folder) or try_anew(folder)


def try_anew(folder: Path) -> Trial:
    """Run a trial regardless of stored results and store it; raises TrialImpossible.

    If the folder is not writable, every call runs a trial.
    """
    of = _here()
    trial = try_library()
    with suppress(OSError):
        keep(folder / FILE, {"of": of} | asdict(trial))
    return trial


def trial_of(known: dict[str, Any]) -> Trial:
    """A trial from its JSON form."""
    return Trial(known["faults"], tuple(known["features"]), known["gpu"])


def library_folder() -> Path | None:
    """The folder of libraries that `import llama_cpp` would load; None if it is not installed."""
    if chosen := child_environment().get("LLAMA_CPP_LIB_PATH"):
        return Path(chosen)
    package = find_spec("llama_cpp")
    return Path(package.origin).parent / "lib" if package and package.origin else None


def _here() -> list[str]:
    """Identifies what a trial applies to; another build's files differ in size or time."""
    folder = library_folder()
    files = sorted(folder.iterdir()) if folder and folder.is_dir() else []
    stats = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
    return [this_processor().identity, " ".join(TYPES), *stats]


def main() -> None:
    die_with_parent()
    report = StartupReport.on_stdout()
    try:
        report.line(**asdict(try_anew(Path(sys.argv[1]))))
    except TrialImpossible as error:
        report.error(error)


if __name__ == "__main__":
    main()
