"""Our steps of an ingest against the same by hand: `hf download` and a quantization.

  python -m benchmarks.ingest --megabytes 500 --rounds 3

A local Hub serves a model of random weights. Each round does both, in turns: by hand, a process
each for the download (`hf download`) and the quantization (llama_model_quantize); ours, one
process that downloads, verifies, validates and quantizes into a store. It prints seconds, the
ratio of the medians, and our peak memory above idle while downloading.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from modelyard.registry.database import Database
from modelyard.registry.migrate import migrate

REPO = "bench/model-GGUF"
FILE = "model-f16.gguf"
TYPE = "Q8_0"
BAR_RATIO = 1.15
BAR_MEMORY_MB = 200

BY_HAND = """
import ctypes, sys
import llama_cpp
params = llama_cpp.llama_model_quantize_default_params()
params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0
params.nthread = int(sys.argv[3])
source, target = (path.encode() for path in sys.argv[1:3])
sys.exit(llama_cpp.llama_model_quantize(source, target, ctypes.pointer(params)))
"""

OURS = """
import json, sys, time
from pathlib import Path
from modelyard.flows.steps.build import quantize
from modelyard.flows.steps.choose import choose
from modelyard.flows.steps.choose.candidate import SelectionRequest
from modelyard.flows.steps.hub import download
from modelyard.flows.steps.hub.hub import HubClient, open_client
from modelyard.flows.steps.hub.resolve import resolve
from modelyard.flows.steps.validate import validate
from modelyard.registry.catalog.builds import BuildRecords
from modelyard.registry.database import Database
from modelyard.registry.store import Store
def peak():
    # Not getrusage, which begins at what the parent had.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))
url, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
database = Database.connect(f"sqlite:///{folder}/bench.db")
hub, store, records = HubClient(url), Store(folder / "store", 10**12), BuildRecords(database)
begun = time.monotonic()
snapshot = resolve(hub, "bench/model-GGUF", "main")
choice = choose.choose(snapshot, SelectionRequest())
idle = peak()
with open_client(hub) as client:
    downloader = download.Downloader(hub, store, records, client, snapshot)
    source = downloader.fetch(choice.model.parts[0], lambda _: None)
after = peak()
validate.validate(store.path(source.sha256), source.path)
maker = quantize.Quantizer(store, records, threads)
made = maker.quantize(source, "F16", "Q8_0", lambda _done, _total: None)
validate.validate(store.path(made.sha256), made.path)
seconds = time.monotonic() - begun
print(json.dumps({"steps_s": seconds, "idle_mb": idle, "download_mb": after}))
"""


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of both ways, of ours without the start of its process, and our memory in MB."""

    by_hand_s: float
    ours_s: float
    steps_s: float
    idle_mb: float
    download_mb: float


def make_model(path: Path, megabytes: int) -> None:
    """Random weights of about that size, in as many layers as it takes."""
    from tests.models.tiny import Tiny

    width = 1024
    inner = 2816
    per_layer = 2 * (2 * width * width + width * width // 2 * 2 + 3 * width * inner)
    layers = max(1, megabytes * 1_000_000 // per_layer)
    path.parent.mkdir(parents=True)
    shape = Tiny(vocabulary=1024, width=width, layers=layers, heads=8, kv_heads=4, inner=inner,
                 half=True)  # fmt: skip
    shape.write(path)


def by_hand(url: str, folder: Path, threads: int) -> float:
    environment = {"HF_ENDPOINT": url, "HF_HUB_DISABLE_TELEMETRY": "1", "PATH": "/usr/bin:/bin"}
    hf = Path(sys.executable).with_name("hf")
    begun = time.monotonic()
    fetch = [str(hf), "download", REPO, FILE, "--local-dir", str(folder)]
    subprocess.run(fetch, env=environment | {"HF_HOME": str(folder / "home")}, check=True,
                   capture_output=True)  # fmt: skip
    make = [sys.executable, "-c", BY_HAND, str(folder / FILE), str(folder / "out.gguf")]
    subprocess.run([*make, str(threads)], check=True, capture_output=True)
    return time.monotonic() - begun


def ours(url: str, folder: Path, threads: int) -> tuple[float, dict[str, float]]:
    database = Database.connect(f"sqlite:///{folder}/bench.db")
    migrate(database)  # a registry is there before a model comes
    database.close()
    begun = time.monotonic()
    run = [sys.executable, "-c", OURS, url, str(folder), str(threads)]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    return time.monotonic() - begun, json.loads(done.stdout)


def measure(url: str, threads: int) -> Round:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        hand_s = by_hand(url, Path(one), threads)
        ours_s, memory = ours(url, Path(other), threads)
    return Round(hand_s, ours_s, **memory)


def report(rounds: list[Round]) -> None:
    hand = statistics.median(r.by_hand_s for r in rounds)
    mine = statistics.median(r.ours_s for r in rounds)
    steps = statistics.median(r.steps_s for r in rounds)
    above = max(r.download_mb - r.idle_mb for r in rounds)
    print(f"by hand      {hand:6.2f} s  ({', '.join(f'{r.by_hand_s:.2f}' for r in rounds)})")
    print(f"ours         {mine:6.2f} s  ({', '.join(f'{r.ours_s:.2f}' for r in rounds)})")
    print(f"  its steps  {steps:6.2f} s  ({', '.join(f'{r.steps_s:.2f}' for r in rounds)})")
    print(f"ratio        {mine / hand:6.2f}")
    print(
        f"  its steps  {steps / hand:6.2f}    (at most {BAR_RATIO}; the start is the fixed second)"
    )
    print(f"memory       {above:6.1f} MB above idle while downloading (at most {BAR_MEMORY_MB})")


def main() -> None:
    from tests.deployments.hub_process import running_hub

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="modelyard-bench-"))
    try:
        make_model(scratch / "hub" / REPO / FILE, given.megabytes)
        with running_hub(scratch / "hub", scratch) as hub:
            hub.client().model_info(REPO, files_metadata=True)  # the Hub hashes its files once
            report([measure(hub.url, given.threads) for _ in range(given.rounds)])
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
