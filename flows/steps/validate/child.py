"""Reads an untrusted file in a limited child process without our environment."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from modelyard.flows.errors import InvalidModelFile, ModelRefused
from modelyard.serving.engines.child.ending import ending

TIMEOUT_S = 30.0
_PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
_LFS_START = b"version https://git-lfs.github.com/spec/"
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""A library that is only imported would otherwise use up the memory limit with its threads."""


def read_in_child(module: str, path: Path, name: str, *more: str) -> dict[str, Any]:
    """The facts that the reader `module` prints.

    Raises InvalidModelFile for what is malformed, ModelRefused for what is whole but not served.
    """
    refuse_other_content(path, name)
    answer = _answer_of(module, path, name, more)
    if "malformed" in answer:
        raise InvalidModelFile(
            f"{name} is no valid model file: {answer['malformed']}.",
            fix="It is broken or made to do harm; take it from another repository.",
        )
    if "refused" in answer:
        raise ModelRefused(f"{name} is not served: {answer['refused']}", fix=answer["fix"])
    return answer


def refuse_other_content(path: Path, name: str) -> None:
    """Raise ModelRefused for a pickle, torch's zip of one, or a Git LFS pointer, by any name."""
    with path.open("rb") as file:
        start = file.read(len(_LFS_START))
    if start == _LFS_START:
        raise ModelRefused(
            f"{name} is a Git LFS pointer: the place of the model, not the model.",
            fix="Its repository was copied without its large files: take the original one, or ask "
            "its owner for `git lfs push --all`.",
        )
    if start.startswith(_PICKLE_STARTS):
        raise ModelRefused(
            f"{name} is a pickle inside, which can run code when it is read.",
            fix="Take a GGUF repository of the same model; pickles are never loaded.",
        )


def _answer_of(module: str, path: Path, name: str, more: tuple[str, ...]) -> dict[str, Any]:
    """Run a reader without our environment; refuse a file that it cannot read within its limits."""
    argv = [sys.executable, "-I", "-m", module, str(path), *more]
    try:
        done = subprocess.run(
            argv, env=_ONE_THREAD, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=TIMEOUT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise InvalidModelFile(f"{name} takes more than {TIMEOUT_S:.0f} s to read.") from None
    if done.returncode:
        ended = ending(done.returncode)
        said = done.stderr.decode(errors="replace").strip()
        last = "".join(said.splitlines()[-1:])[:300]
        what = f"{name} made its reader fail, which {ended}. Its last words: {last or 'none'}"
        raise InvalidModelFile(what, fix=ended.fix)
    return json.loads(done.stdout)
