"""`python -m benchmarks.routing.decision`: what one decision costs with 64 workers."""

import statistics
import time

from serving.routing.cost import cheapest
from serving.routing.dispatcher import Dispatcher
from serving.routing.fleet_state import Ticket, Worker
from serving.routing.work import Work
from serving.routing.yard import Yard

WORKERS, DECISIONS, BAR_US = 64, 5000, 50.0


def main() -> None:
    core = Dispatcher(Yard(512))
    core.yard.needs["m"] = 1.0
    for index in range(WORKERS):
        worker = Worker(index, f"gpu-{index}", f"kind-{index % 4}", 64, 100.0)
        core.yard.workers.append(worker)
        core.yard.add_lane(worker, "m", 0.0)
    print(f"one decision among {WORKERS} workers (bar {BAR_US:.0f} us):")
    for load in (0, 200, 1000):
        for number in range(load):
            prefix = tuple(range(number * 100, number * 100 + 16))
            core.submit(Work("r", "u", 3, 500 + number, 0, prefix), "m", number * 1e-3)
        for name, prefix in (("no prefix", ()), ("24 known blocks", tuple(range(24)))):
            title = f"{load} requests more, {name}"
            print(f"  {title:34} p50 {_median_us(core, prefix):6.1f} us")


def _median_us(core: Dispatcher, prefix: tuple[int, ...]) -> float:
    took = list[float]()
    for _ in range(DECISIONS):
        ticket = Ticket(Work("r", "u", 3, 12_000, 0, prefix), "m", 2.0)
        begun = time.perf_counter()
        cheapest(core.yard, ticket, 2.0)
        took.append(time.perf_counter() - begun)
    return statistics.median(took) * 1e6


if __name__ == "__main__":
    main()
