"""A trial's result, kept: it holds as long as library and processor are the same.

`python -m modelyard.serving.engines.llama_cpp.trial.result FOLDER` tries, keeps the result there
and prints it as one line of JSON: `{"faults", "features", "gpu"}`, or `{"error": {code, message,
fix}}`.
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
    """What the first folder that knows of this library on this processor knows."""
    here = _here()
    every = [read_kept(folder / FILE) for folder in folders]
    return next((trial_of(known) for known in every if known.get("of") == here), None)


def tried(folder: Path) -> Trial:
    """What `folder` remembers, else a trial, which it remembers then; raises TrialImpossible."""
    return remembered(folder) or try_anew(folder)


def try_anew(folder: Path) -> Trial:
    """Try it whatever is remembered, and remember that; raises TrialImpossible.

    A folder that cannot be written costs a trial each time.
    """
    of = _here()
    trial = try_library()
    with suppress(OSError):
        keep(folder / FILE, {"of": of} | asdict(trial))
    return trial


def trial_of(known: dict[str, Any]) -> Trial:
    """From JSON."""
    return Trial(known["faults"], tuple(known["features"]), known["gpu"])


def library_folder() -> Path | None:
    """The libraries that `import llama_cpp` would load; None where it is not installed."""
    if chosen := child_environment().get("LLAMA_CPP_LIB_PATH"):
        return Path(chosen)
    package = find_spec("llama_cpp")
    return Path(package.origin).parent / "lib" if package and package.origin else None


def _here() -> list[str]:
    """What a trial is of: another build's files of the same names differ in size or time."""
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
