"""`python -m benchmarks.routing`: every policy on one trace and one fleet, as a table.

With `--calibrate` the service model is held against a real engine instead.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.routing.drawn import DRAWN
from benchmarks.routing.faults import BadInput
from benchmarks.routing.fleet import FleetPlan, read_fleet
from benchmarks.routing.policies.names import OUR_ORDERS, OURS, POLICIES
from benchmarks.routing.report import HEADER, Figures, figures, line, verdict
from benchmarks.routing.simulation import Simulation
from benchmarks.routing.traces import FORMATS, Recorded, read_trace
from benchmarks.routing.workload import capacity, workload


def main() -> int:
    asked = _arguments()
    if asked.calibrate:
        from benchmarks.routing.calibration import calibrate

        return calibrate()
    try:
        trace = _trace(asked)
        plan = read_fleet(asked.fleet)
    except BadInput as wrong:
        print(f"error: {wrong}", file=sys.stderr)
        return 2
    _introduce(trace, plan, asked.load)
    found = dict[str, Figures]()
    for name in dict.fromkeys(asked.policy or POLICIES):
        found[name] = run(name, trace, plan, load=asked.load, seed=asked.seed)
        print(line(name, found[name]), flush=True)
    print(verdict(found, OURS, OUR_ORDERS))
    if asked.json:
        policies = {name: asdict(each) for name, each in found.items()}
        asked.json.write_text(json.dumps({"policies": policies}, indent=2) + "\n")
    return 0


def _trace(asked: argparse.Namespace) -> list[Recorded]:
    if asked.drawn:
        return DRAWN[asked.drawn](asked.seed)
    return read_trace(asked.trace, asked.format)


def run(name: str, trace: list[Recorded], plan: FleetPlan, *, load: float, seed: int) -> Figures:
    """One policy over the whole trace."""
    sim = Simulation(plan, workload(trace, plan, load, seed), seed)
    sim.run(POLICIES[name]())
    return figures(sim)


def _introduce(trace: list[Recorded], plan: FleetPlan, load: float) -> None:
    rate = load * capacity(trace, plan)
    lasts = len(trace) / rate
    print(
        f"{len(trace)} requests in {lasts:.0f} s ({rate:.2f} a second: load {load:g}), "
        f"{len(plan.workers)} workers, {len(plan.models)} models\n{HEADER}",
        flush=True,
    )
    for event in plan.events:
        if event.at_s > lasts:
            print(f"note: {event.worker} changes at {event.at_s:g} s, after the last arrival")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing", description=__doc__)
    parser.add_argument("--calibrate", action="store_true", help="simulator against real engine")
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--format", choices=FORMATS)
    parser.add_argument("--drawn", choices=DRAWN, help="a trace drawn from the seed instead")
    parser.add_argument("--fleet", type=Path)
    parser.add_argument("--policy", choices=list(POLICIES), action="append", metavar="NAME")
    parser.add_argument("--load", type=_share, default=0.7, help="share of the fleet's capacity")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="OUT")
    asked = parser.parse_args()
    if asked.drawn and (asked.trace or asked.format):
        parser.error("--drawn takes the place of --trace and --format")
    if not (asked.calibrate or (asked.fleet and (asked.drawn or (asked.trace and asked.format)))):
        parser.error(
            "--fleet and either --trace with --format or --drawn are required, or --calibrate alone"
        )
    return asked


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 10:
        raise argparse.ArgumentTypeError("expected a share above 0 and at most 10, such as 0.7")
    return share


if __name__ == "__main__":
    sys.exit(main())
