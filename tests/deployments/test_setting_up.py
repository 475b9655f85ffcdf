"""The whole of set-up, with an installer in uv's place that has its wheels already."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from modelyard.serving.engines.llama_cpp.trial.build_record import read_built
from tests.architecture.tree import ROOT
from tests.models.broken_llama import AT_LOAD, KERNELS, broken_llama

_SETTING = "--config-settings-package"
INSTALLER = """#!{python}
import json, os, shutil, sys
given = os.environ.get("CFLAGS", "") + os.environ.get("CMAKE_ARGS", "")
with open("{folder}/calls", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
with open("{site}/others.pth", "w") as path:
    path.write("{others}\\n{root}/src\\n")  # an editable install, and all that it needs
built = "{site}/llama_cpp"
if sys.argv[2] == "uninstall":
    shutil.rmtree(built)
if sys.argv[2] == "uninstall" or os.path.exists(built):
    sys.exit()  # as uv does, also where the settings are others
native = "-mno-" not in given and "GGML_NATIVE=OFF" not in given
shutil.copytree("{folder}/" + ("native" if native else "reduced"), built)
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment to set up; what was asked of its installer."""

    folder: Path

    def run(self, *arguments: str, **given: str) -> "subprocess.CompletedProcess[str]":
        command = [
            self.folder / "venv" / "bin" / "python",
            "-m",
            "modelyard.deployments.setting_up",
        ]
        plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [*command, *arguments],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT / "src")} | plain | given,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def settings(self) -> list[str]:
        """What uv was to keep each wheel by that it was asked to install."""
        lines = (self.folder / "calls").read_text().splitlines()
        calls: list[list[str]] = [json.loads(line) for line in lines]
        return [argv[argv.index(_SETTING) + 1] for argv in calls if argv[1] == "install"]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Its native wheel dies on Q4_K, as one of a compiler with a fault does."""
    spec = find_spec("llama_cpp")
    assert spec
    assert spec.origin
    package = Path(spec.origin).parent
    venv = tmp_path / "venv"
    for name in ("native", "reduced"):
        shutil.copytree(package, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(tmp_path / "native" / "lib")
    broken_llama(tmp_path / "native" / "lib", KERNELS.format("q4_K"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = next(venv.glob("lib/python*/site-packages"))
    installer = venv / "bin" / "uv"
    others = package.parent
    text = INSTALLER.format(
        python=sys.executable, folder=tmp_path, site=site, others=others, root=ROOT
    )
    installer.write_text(text)
    installer.chmod(0o755)
    return Environment(tmp_path)


def test_a_native_build_that_dies_is_replaced(environment: Environment) -> None:
    """Set-up succeeds, says why in plain lines, and the second time there is nothing to do."""
    ended = environment.run("gguf")
    assert ended.returncode == 0, ended.stderr
    assert "fails on this processor: SIGILL with Q4_K_M, Q4_K_S, Q3_K_M." in ended.stderr
    assert "llama.cpp works on this processor, built " in ended.stderr
    first, second = environment.settings
    assert first != second
    built = read_built(environment.folder / "venv")
    assert built
    assert "SIGILL" in built.because
    again = environment.run("--try", "gguf")
    assert (again.returncode, again.stderr) == (0, "")
    assert environment.settings == [first, second]


def test_a_library_that_was_put_in_later_is_found_out(environment: Environment) -> None:
    """`make demo` runs only this: an environment may have come from another machine."""
    environment.run("gguf")
    site = next((environment.folder / "venv").glob("lib/python*/site-packages"))
    shutil.rmtree(site / "llama_cpp")
    shutil.copytree(environment.folder / "native", site / "llama_cpp")
    note = environment.folder / "venv" / "llama_cpp_build.json"
    note.write_text(note.read_text().replace('"processor": "', '"processor": "another-'))
    ended = environment.run("--try", "gguf")
    assert ended.returncode == 0
    assert "llama.cpp works on this processor, built " in ended.stderr


def test_a_library_of_the_users_own_is_not_built_over(environment: Environment) -> None:
    """It is told that it fails; what is installed would not be used anyway."""
    environment.run("gguf")
    settings = environment.settings
    own = broken_llama(environment.folder / "own", AT_LOAD)
    ended = environment.run("--try", "gguf", LLAMA_CPP_LIB_PATH=str(own))
    assert ended.returncode == 1
    assert "Unset LLAMA_CPP_LIB_PATH" in ended.stderr
    assert environment.settings == settings


def test_an_installer_that_fails_ends_the_set_up(environment: Environment) -> None:
    """Its own words are there already."""
    shutil.rmtree(environment.folder / "native")
    assert environment.run("gguf").returncode == 1
