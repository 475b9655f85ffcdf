"""Installs Modelyard into the environment that runs this, with a llama.cpp that works here.

`python -m modelyard.deployments.setting_up gguf,onnx-cpu` installs those extras; with `--try` it
only makes sure of llama.cpp, which takes no time where it was tried before. CMAKE_ARGS, CFLAGS,
CXXFLAGS, CC and CXX are the build's. This runs before anything is installed: what it imports at its
head comes with Python or with this repository.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.deployments.ladder import BuildFailed, Ladder
from modelyard.deployments.llama_builds import Compiling
from modelyard.registry.process.python import python_module
from modelyard.serving.engines.llama_cpp.trial.build_record import Built, read_built
from modelyard.serving.engines.llama_cpp.trial.processor import this_processor

if TYPE_CHECKING:
    from modelyard.serving.engines.llama_cpp.trial.trial import Trial

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
_SETTING = "llama-cpp-python:cmake.define.MODELYARD_BUILD"
_OWN_LIBRARY = "LLAMA_CPP_LIB_PATH"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m modelyard.deployments.setting_up", description=__doc__
    )
    parser.add_argument("extras", help="names of pyproject's extras, with commas between")
    parser.add_argument("--try", dest="only_try", action="store_true", help="all is installed")
    given = parser.parse_args()
    ladder = _ladder(given.extras)
    if given.only_try and not ladder.lacks(_installed()):
        return _settled(ladder) if _installed() else 0
    try:
        ladder.begin(_installed())
    except BuildFailed:
        return 1
    # A new process sees what has just been installed.
    again = python_module("modelyard.deployments.setting_up", "--try", given.extras)
    return subprocess.run(again, cwd=ROOT, check=False).returncode


def _ladder(extras: str) -> Ladder:
    compiling = Compiling(this_processor(), _pinned(), os.environ)

    def install(built: Built | None) -> None:
        _install(extras, built)

    return Ladder(Path(sys.prefix), compiling, install, _tried, tell)


def tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _pinned() -> str:
    """The version of llama-cpp-python that is to be there: a new one is built natively first."""
    found = re.search(r"^llama-cpp-python==(\S+)", CONSTRAINTS.read_text(), re.MULTILINE)
    return found[1] if found else ""


def _installed() -> str:
    try:
        return version("llama-cpp-python")
    except PackageNotFoundError:
        return ""


def _install(extras: str, built: Built | None) -> None:
    """Everything at its pinned version.

    Bytecode is made now: where Python may not keep it, each of our many processes would compile all
    it imports again.
    """
    command = ["install", "--compile-bytecode", "--constraint", str(CONSTRAINTS)]
    command += ["--editable", f".[{extras}]"]
    environment = dict(os.environ)
    if built is not None:
        # uv sees that the settings are others, and leaves what is there all the same.
        if _installed() and read_built(Path(sys.prefix)) != built:
            _uv_pip(["uninstall", "llama-cpp-python"], environment)
        command += ["--config-settings-package", f"{_SETTING}={built.key}"]
        environment |= built.environment
    _uv_pip(command, environment)


def _uv_pip(command: list[str], environment: dict[str, str]) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv") or "uv"
    whole = [uv, "pip", command[0], "--quiet", "--python", sys.executable, *command[1:]]
    if subprocess.run(whole, cwd=ROOT, env=environment, check=False).returncode:
        raise BuildFailed


def _tried() -> "Trial":
    from modelyard.serving.engines.llama_cpp.trial.result import tried

    return tried(Path(sys.prefix))


def _settled(ladder: Ladder) -> int:
    """1 where no build of llama.cpp is of any use here; what fails of it else is told."""
    from modelyard.serving.engines.llama_cpp.trial.trial import TrialImpossible

    own = os.environ.get(_OWN_LIBRARY)
    try:
        trial = ladder.trial() if own else ladder.settle()
    except TrialImpossible as error:
        tell(str(error))
        return 0
    if trial.works:
        return 0
    if own:
        tell(f"The llama.cpp in {own} fails on this processor: {trial}. Unset {_OWN_LIBRARY}.")
    else:
        tell(f"llama.cpp fails on this processor, however it is built: {trial}.")
        tell("Models of these quantizations cannot be served here; all else can.")
    return int(trial.useless)


if __name__ == "__main__":
    sys.exit(main())
