"""What a run is judged by: quantiles of waiting, goodput, loads, and what a decision cost."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.routing.simulation import Simulation
from benchmarks.routing.workload import Request

TTFT_OBJECTIVE_S = 5.0
TOKEN_OBJECTIVE_S = 0.2


@dataclass(frozen=True, slots=True)
class Figures:
    """What a table's line and a result's entry have, times in seconds.

    Goodput: requests a second whose first token came within TTFT_OBJECTIVE_S and whose further
    ones took TOKEN_OBJECTIVE_S at most on average. What is unanswered waited for the whole run.
    """

    ttft_p50: float
    ttft_p95: float
    ttft_p99: float
    e2e_p95: float
    goodput: float
    loads: int
    evictions: int
    decision_us_p50: float


def figures(sim: Simulation) -> Figures:
    first = [(sim.now if r.first_s is None else r.first_s) - r.at_s for r in sim.requests]
    whole = [(sim.now if r.done_s is None else r.done_s) - r.at_s for r in sim.requests]
    good = sum(_is_good(r) for r in sim.requests)
    return Figures(
        round(quantile(first, 0.5), 4),
        round(quantile(first, 0.95), 4),
        round(quantile(first, 0.99), 4),
        round(quantile(whole, 0.95), 4),
        round(good / sim.now, 4) if sim.now else 0.0,
        sim.loads,
        sim.evictions,
        round(quantile(sim.decisions_s, 0.5) * 1e6, 1),
    )


def _is_good(request: Request) -> bool:
    if request.first_s is None or request.done_s is None:
        return False
    each = (request.done_s - request.first_s) / max(1, request.output - 1)
    return request.first_s - request.at_s <= TTFT_OBJECTIVE_S and each <= TOKEN_OBJECTIVE_S


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest-rank quantile; 0.0 of nothing."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


HEADER = (
    f"{'policy':18} {'ttft p50':>9} {'p95':>9} {'p99':>9} {'e2e p95':>9} "
    f"{'goodput/s':>9} {'loads':>6} {'evicted':>7} {'decision':>9}"
)


def line(name: str, found: Figures) -> str:
    return (
        f"{name:18} {found.ttft_p50:9.3f} {found.ttft_p95:9.3f} {found.ttft_p99:9.3f} "
        f"{found.e2e_p95:9.2f} {found.goodput:9.3f} {found.loads:6d} {found.evictions:7d} "
        f"{found.decision_us_p50:6.1f} us"
    )


def verdict(found: Mapping[str, Figures], ours: str, our_orders: Collection[str]) -> str:
    """Our figures against those of the other with the best p95; empty without both.

    `our_orders` are all names of ours, which do not count as others.
    """
    others = {name: f for name, f in found.items() if name not in our_orders}
    if ours not in found or not others:
        return ""
    best = min(others, key=lambda name: others[name].ttft_p95)
    their = others[best]
    our = found[ours]
    return (
        f"time to first token against the best other ({best}): "
        f"p95 {_ratio(our.ttft_p95, their.ttft_p95)}, p99 {_ratio(our.ttft_p99, their.ttft_p99)}; "
        f"goodput {_ratio(our.goodput, their.goodput)}"
    )


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs if theirs else float('nan'):.2f}x"
