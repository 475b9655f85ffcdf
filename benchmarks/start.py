"""How soon the gateway alone answers and what it weighs, against a bare FastAPI application.

`python -m benchmarks.start [RUNS]` starts both in turn, RUNS times each, and prints medians.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

from modelyard.registry.process.ports import choose_port

FLOOR = """
import sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/health/live")
def live() -> dict[str, str]: return {"status": "live"}
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""


@dataclass(frozen=True, slots=True)
class StartFigures:
    """Seconds from the process's start to its first 200, and its resident MiB then."""

    seconds: float
    mebibytes: float


def start(argv: list[str], port: int, data: str) -> StartFigures:
    began = time.perf_counter()
    env = {**os.environ, "MODELYARD_DATA_DIR": data}
    child = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL)
    try:
        with httpx2.Client(trust_env=False) as client:
            while not _live(client, port):
                if child.poll() is not None:
                    sys.exit(f"{argv} ended with {child.returncode}")
                time.sleep(0.01)
        seconds = time.perf_counter() - began
        return StartFigures(seconds, psutil.Process(child.pid).memory_info().rss / 2**20)
    finally:
        child.terminate()
        child.wait()


def _live(client: httpx2.Client, port: int) -> bool:
    try:
        return client.get(f"http://127.0.0.1:{port}/health/live").status_code == 200
    except httpx2.TransportError:
        return False


def main(runs: int) -> None:
    ours: list[StartFigures] = []
    floor: list[StartFigures] = []
    with tempfile.TemporaryDirectory() as data:
        for _ in range(runs + 1):  # the first pair warms the disk cache and migrates
            port = choose_port(0, "")
            gateway = [
                sys.executable,
                "-m",
                "modelyard.serving.cli.main",
                "gateway",
                "--port",
                str(port),
            ]
            ours.append(start(gateway, port, str(Path(data))))
            port = choose_port(0, "")
            floor.append(start([sys.executable, "-c", FLOOR, str(port)], port, data))
    print(f"{'':24}{'start s':>10}{'RSS MiB':>10}   (medians of {runs})")
    for name, found in (("gateway", ours[1:]), ("bare FastAPI", floor[1:])):
        seconds = statistics.median(f.seconds for f in found)
        print(f"{name:24}{seconds:>10.2f}{statistics.median(f.mebibytes for f in found):>10.1f}")
    ratio = statistics.median(
        a.seconds / b.seconds for a, b in zip(ours[1:], floor[1:], strict=True)
    )
    print(f"gateway / bare FastAPI, start: {ratio:.2f}   bars: <= 2 s, <= 120 MiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
