"""Hatchling's build hook: the wheel's hot path as machine code, by mypyc (docs/decisions/0015)."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileHook(BuildHookInterface[Any]):
    """Compiles a copy of the package; the wheel holds what came of it beside the sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the `modules` of pyproject.toml; raises CalledProcessError if mypyc refuses."""
        if version == "editable":
            return
        self._folder = Path(tempfile.mkdtemp(prefix="modelyard-mypyc-"))
        shutil.copytree(Path(self.root, "src", "modelyard"), self._folder / "modelyard")
        modules = [str(Path(path).relative_to("src")) for path in self.config["modules"]]
        levels = {"MYPYC_OPT_LEVEL": "3", "MYPYC_DEBUG_LEVEL": "0"}
        subprocess.run(
            [sys.executable, "-P", "-m", "mypyc", *modules],
            cwd=self._folder,
            env={**os.environ, **levels},
            check=True,
        )
        shutil.rmtree(self._folder / "build")
        libraries = self._folder.rglob("*.so")
        build_data["force_include"] |= {
            str(path): str(path.relative_to(self._folder)) for path in libraries
        }
        build_data["infer_tag"] = True
        build_data["pure_python"] = False

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is written."""
        if version != "editable":
            shutil.rmtree(self._folder)
