"""Our own code as it is installed for production: a wheel with the hot path compiled."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def compiled(folder: Path) -> Path:
    """Build the checkout's wheel, which takes half a minute; returns the folder of its modules."""
    print("compiling the hot path …", file=sys.stderr)
    subprocess.run([ROOT / "deployments" / "wheel.sh", folder / "dist"], check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    return unpacked(wheel, folder / "modules")


def unpacked(wheel: Path, modules: Path) -> Path:
    """The modules of a wheel, without what it depends on, in a folder of their own."""
    uv = Path(sys.executable).with_name("uv")
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--target", modules, wheel]
    subprocess.run(install, check=True)
    return modules
