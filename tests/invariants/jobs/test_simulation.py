"""No order of events that a seed draws loses a request, ends it twice or tells of it wrongly."""

import sys
from collections.abc import Iterator

import pytest

from modelyard.registry.database import Database
from modelyard.registry.jobs.queue import JobQueue
from tests.invariants.jobs.oracle import Violated
from tests.invariants.jobs.planted_faults import FAULTS
from tests.invariants.jobs.simulation import simulate

SEEDS = {"sqlite": 40, "postgresql": 12}
SOAK = {"sqlite": 95_000, "postgresql": 5_000}
BOTH = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
AGAIN = "pytest 'tests/invariants/jobs/test_simulation.py::test_no_order_of_events[{}]' --seed {}"


def violations(db: Database, kind: type[JobQueue]) -> Iterator[Violated]:
    """What goes wrong with this queue in the first hundred seeds."""
    for seed in range(100):
        try:
            simulate(db, seed, kind)
        except Violated as found:
            yield found


@BOTH
@pytest.mark.slow(seconds=12)
@pytest.mark.timeout(6 * 3600)
def test_no_order_of_events(
    simulated_db: Database, kind: str, full_length: int, pytestconfig: pytest.Config
) -> None:
    """Crashes at every commit, frozen and doubled processes, cancels: each job has its one end."""
    one = pytestconfig.getoption("--seed")
    seeds = range((SOAK if full_length > 1 else SEEDS)[kind]) if one is None else [int(one)]
    refused = 0
    for seed in seeds:
        try:
            refused += simulate(simulated_db, seed).oracle.refused_stale
        except Violated as found:
            pytest.fail(f"seed {seed}: {found}\nAgain: {AGAIN.format(kind, seed)}")
    sys.stderr.write(f"{len(seeds)} seeds, {refused} stale completions refused\n")
    assert refused > 0 or one is not None


@BOTH
def test_a_seed_is_the_same_again(simulated_db: Database, kind: str) -> None:
    """What a seed found can be looked at as often as it takes."""
    first, second = (simulate(simulated_db, 7) for _ in range(2))
    assert first.clock.now == second.clock.now
    assert first.received == second.received
    assert first.oracle.won == second.oracle.won


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_planted_fault_is_found(simulated_db: Database, fault: str) -> None:
    """A queue without its fence, leases, order or outbox does not get through a few seeds."""
    broken, numbers = FAULTS[fault]
    found = next(violations(simulated_db, broken), None)
    assert found is not None
    assert found.number in numbers
