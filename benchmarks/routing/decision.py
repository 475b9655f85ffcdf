"""`python -m benchmarks.routing.decision`: what one decision costs with 64 workers."""

import statistics
import time

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.cost import cheapest
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.fleet_state import PendingRequest, WorkerState
from modelyard.serving.routing.policy.request import RoutedRequest

WORKERS = 64
DECISIONS = 5000
BAR_US = 50.0


def main() -> None:
    core = Dispatcher(ClusterState(512), on_send=_nothing, on_load=_nothing)
    core.cluster.needs["m"] = 1.0
    for index in range(WORKERS):
        worker = WorkerState(index, f"gpu-{index}", f"kind-{index % 4}", 64, 100.0)
        core.cluster.workers.append(worker)
        core.cluster.add_replica(worker, "m", 0.0)
    print(f"one decision among {WORKERS} workers (bar {BAR_US:.0f} us):")
    for load in (0, 200, 1000):
        for number in range(load):
            prefix = tuple(range(number * 100, number * 100 + 16))
            core.submit(RoutedRequest("r", "u", 3, 500 + number, 0, prefix), "m", number * 1e-3)
        for name, prefix in (("no prefix", ()), ("24 known blocks", tuple(range(24)))):
            title = f"{load} requests more, {name}"
            print(f"  {title:34} p50 {_median_us(core, prefix):6.1f} us")


def _nothing(_: object) -> None:
    """No worker is there that could be told."""


def _median_us(core: Dispatcher, prefix: tuple[int, ...]) -> float:
    took = list[float]()
    for _ in range(DECISIONS):
        pending = PendingRequest(RoutedRequest("r", "u", 3, 12_000, 0, prefix), "m", 2.0)
        begun = time.perf_counter()
        cheapest(core.cluster, pending, 2.0)
        took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1e6


if __name__ == "__main__":
    main()
