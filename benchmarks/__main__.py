"""`python -m benchmarks`: run every benchmark in turn, each in a process of its own."""

import pkgutil
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    found = sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]))
    found.remove("__main__")
    failed = [
        name
        for name in found
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
    ]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
