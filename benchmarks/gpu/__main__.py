"""Builds llama.cpp for CUDA, checks a GPU with it, measures, and writes a report.

  python -m benchmarks.gpu                       docs/benchmarks/gpu-<name>.md
  python -m benchmarks.gpu --dry-run-on-cpu      the same steps with the processor in its place

Without an NVIDIA GPU it says so and exits with 3; with 1 where a check fails. A dry run shows that
the steps work, and says nothing about any GPU.
"""

import argparse
import asyncio
import re
import sys
from pathlib import Path

from benchmarks.gpu import build, engine, onnx, ratios, telemetry
from benchmarks.gpu.report import GpuReport
from modelyard.registry.logs import set_up
from modelyard.serving.worker.devices.cpu import Cpu
from modelyard.serving.worker.devices.device import Device
from modelyard.serving.worker.devices.nvidia import find_gpus

NO_GPU = 3
REPORTS = Path(__file__).parents[2] / "docs" / "benchmarks"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--dry-run-on-cpu", action="store_true", help="no GPU: try the steps")
    parser.add_argument("--output", type=Path, help="where to write the report")
    parser.add_argument("--built", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    set_up(level="critical")  # what is measured is printed; what is logged would be in the way
    gpus = find_gpus()
    if not gpus and not given.dry_run_on_cpu:
        sys.stderr.write("This machine has no NVIDIA GPU that NVML lists: nothing was checked.\n")
        return NO_GPU
    if not given.dry_run_on_cpu and not given.built:
        return build.again_with_cuda(sys.argv[1:])
    return _check(Cpu() if given.dry_run_on_cpu else gpus[0], given.output)


def _check(device: Device, output: Path | None) -> int:
    facts = device.facts()
    report = GpuReport(facts.name, dry_run=not device.is_gpu)
    telemetry.check(report)
    engine.check_results(report, device)
    asyncio.run(engine.check(report, device))
    onnx.check(report, device)
    asyncio.run(ratios.check(report, device))
    target = output or (None if report.dry_run else REPORTS / f"gpu-{_slug(facts.name)}.md")
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(report.markdown())
    print(report.markdown())
    return 1 if report.failures else 0


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


if __name__ == "__main__":
    sys.exit(main())
