"""Virtual environments for peers, made once in a cache folder."""

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path


def environment(
    cache: Path, name: str, packages: Sequence[str], *, over_ours: bool = False
) -> Path:
    """The Python of an environment with these packages; `over_ours` sees our own ones as well."""
    folder = cache / name
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if ready.exists():
        return python
    print(f"making {folder} …", file=sys.stderr)
    venv.create(folder, clear=True, with_pip=True)
    if over_ours:
        own = next(folder.glob("lib/python*/site-packages"))
        (own / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    ready.touch()
    return python
