"""`python -m benchmarks.routing.sweep`: fleets drawn from seeds, and the worst ratio over them.

Without a trace the requests are bursts drawn from the first seed.
"""

import argparse
import statistics
import sys
from pathlib import Path

from benchmarks.routing.__main__ import run
from benchmarks.routing.drawn import bursts, fleet
from benchmarks.routing.faults import BadInput
from benchmarks.routing.policies.names import OUR_ORDERS, OURS, POLICIES
from benchmarks.routing.traces import FORMATS, Recorded, read_trace


def main() -> int:
    asked = _arguments()
    try:
        trace = read_trace(asked.trace, asked.format) if asked.trace else bursts(asked.seed)
    except BadInput as wrong:
        print(f"error: {wrong}", file=sys.stderr)
        return 2
    print(f"{'fleet':>5} {'workers':>7} {'models':>6} {'ours':>9} {'best other':>10}  ratio")
    ratios = [
        _ratio(seed, trace[: asked.requests], asked.load)
        for seed in range(asked.seed, asked.seed + asked.fleets)
    ]
    print(f"worst {max(ratios):.2f}, geometric mean {statistics.geometric_mean(ratios):.2f}")
    return 0


def _ratio(seed: int, trace: list[Recorded], load: float) -> float:
    """Our p95 time to first token against the best other's on one fleet."""
    plan = fleet(seed)
    names = [name for name in POLICIES if name == OURS or name not in OUR_ORDERS]
    p95 = {name: run(name, trace, plan, load=load, seed=seed).ttft_p95 for name in names}
    ours = p95.pop(OURS)
    best = min(p95, key=lambda name: p95[name])
    ratio = ours / p95[best]
    print(
        f"{seed:5d} {len(plan.workers):7d} {len(plan.models):6d} {ours:9.3f} {p95[best]:10.3f}"
        f"  {ratio:.2f} ({best})",
        flush=True,
    )
    return ratio


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.routing.sweep", description=__doc__)
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--format", choices=FORMATS, default="azure")
    parser.add_argument("--fleets", type=int, default=10)
    parser.add_argument("--requests", type=int, default=6000, help="at most, of the trace")
    parser.add_argument("--load", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=0, help="of the first fleet")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
