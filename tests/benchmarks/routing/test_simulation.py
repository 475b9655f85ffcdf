"""The simulator keeps its own laws: nothing lost, closed forms met, the same seed the same run."""

import json
import random
import statistics
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks.routing.drawn import overload
from benchmarks.routing.faults import BadInput
from benchmarks.routing.fleet import FleetPlan, plan_of, read_fleet
from benchmarks.routing.policies.names import OUR_ORDERS, POLICIES
from benchmarks.routing.report import Figures, figures, verdict
from benchmarks.routing.simulation import Simulation
from benchmarks.routing.traces import Recorded, read_trace
from benchmarks.routing.workload import capacity, workload

GPU = {
    "name": "card",
    "count": 3,
    "memory_gb": 40,
    "prefill_tps": 4000,
    "decode_tps": 50,
    "max_concurrency": 8,
}
SLOW = {**GPU, "name": "slow", "count": 2, "prefill_tps": 1000, "decode_tps": 15}
MODELS = [
    {"name": "large", "memory_gb": 30, "load_s": 10},
    {"name": "small", "memory_gb": 10, "load_s": 3},
    {"name": "other", "memory_gb": 25, "load_s": 8},
]


def fleet(**changes: Any) -> dict[str, Any]:
    return {"workers": [GPU, SLOW], "models": MODELS, **changes}


def synthetic(count: int = 600, seed: int = 1) -> list[Recorded]:
    """Arrivals at random, lengths with a long tail, conversations that grow."""
    chance = random.Random(seed)
    found = list[Recorded]()
    at = 0.0
    for number in range(count):
        at += chance.expovariate(1.0)
        prompt = min(20_000, int(chance.lognormvariate(6.5, 1.0)) + 1)
        talk = number % 40
        blocks = tuple(talk * 1000 + i for i in range(min(prompt // 512, 1 + number // 40)))
        found.append(Recorded(at, prompt, 1 + int(chance.expovariate(1 / 120)), blocks))
    return found


def simulate(name: str, plan: FleetPlan, trace: list[Recorded], seed: int = 0) -> Simulation:
    sim = Simulation(plan, workload(trace, plan, 0.7, seed), seed)
    sim.run(POLICIES[name]())
    return sim


@pytest.mark.parametrize("name", POLICIES)
def test_every_request_is_answered_once_and_times_are_in_order(name: str) -> None:
    """Whatever the policy, with loads, evictions, a throttled card and late telemetry."""
    changes = {"events": [{"at_s": 20, "worker": "card-0", "speed": 0.5}], "telemetry_delay_s": 1}
    sim = simulate(name, plan_of(fleet(**changes), "test"), synthetic())
    for request in sim.requests:
        assert request.first_s is not None
        assert request.done_s is not None
        assert request.at_s <= request.sent_s < request.first_s <= request.done_s
    for worker in sim.workers:
        assert worker.in_flight == 0
        assert worker.free_gb >= 0


def test_the_same_seed_gives_the_same_run_and_another_another() -> None:
    """All but the time that decisions took."""
    plan = plan_of(fleet(), "test")
    trace = synthetic(200)
    runs = [asdict(figures(simulate("modelyard", plan, trace, seed))) for seed in (0, 0, 1)]
    for run in runs:
        del run["decision_us_p50"]
    assert runs[0] == runs[1] != runs[2]


def test_one_worker_one_at_a_time_waits_as_md1_says() -> None:
    """Arrivals at random and equal work: the mean wait is use * service / (2 (1 - use))."""
    one = {**GPU, "count": 1, "max_concurrency": 1, "prefill_tps": 1000}
    plan = plan_of({"workers": [one], "models": MODELS[1:2]}, "test")
    chance = random.Random(3)
    at = 0.0
    trace = list[Recorded]()
    for _ in range(20_000):
        at += chance.expovariate(1.0)
        trace.append(Recorded(at, 1000, 1))
    sim = simulate("least-requests", plan, trace)
    waits = [(r.first_s or 0.0) - r.at_s - 1.0 for r in sim.requests]
    use = 0.7 * 1.0 / (1.0 + 1 / 50)  # an answer of one token needs its prefill of 1 s alone
    expected = use / (2 * (1 - use))
    assert statistics.mean(waits) == pytest.approx(expected, rel=0.1)


def test_a_full_batch_works_at_the_capacity_that_loads_are_scaled_by() -> None:
    """A backlog is worked off in requests / capacity."""
    plan = plan_of({"workers": [{**GPU, "count": 1}], "models": MODELS[1:2]}, "test")
    trace = [Recorded(number * 1e-6, 800, 100) for number in range(400)]
    sim = Simulation(plan, workload(trace, plan, 10.0, 0), 0)
    sim.run(POLICIES["least-requests"]())
    assert sim.now == pytest.approx(400 / capacity(trace, plan), rel=0.05)


def test_traces_are_read_in_both_forms(tmp_path: Path) -> None:
    """Times become seconds since the first."""
    azure = tmp_path / "azure.csv"
    azure.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.6805900,396,109\n"
    )
    mooncake = tmp_path / "mooncake.jsonl"
    row = {"timestamp": 3000, "input_length": 700, "output_length": 5, "hash_ids": [1, 2]}
    mooncake.write_text(json.dumps(row) + "\n")
    assert read_trace(azure, "azure") == [Recorded(0, 374, 44), Recorded(4.0, 396, 109)]
    assert read_trace(mooncake, "mooncake") == [Recorded(0, 700, 5, (1, 2))]


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("azure", "TIMESTAMP,ContextTokens\n", "line 1: no column GeneratedTokens"),
        ("azure", "TIMESTAMP,ContextTokens,GeneratedTokens\nx,1,1\n", "line 2, TIMESTAMP"),
        ("azure", "TIMESTAMP,ContextTokens,GeneratedTokens\n", "no requests"),
        ("mooncake", "{}\n", "line 1: no field timestamp"),
        ("mooncake", "[1]\n", "line 1: expected a JSON object"),
        ("mooncake", '{"timestamp":0,"input_length":-1,"output_length":1}\n', "input_length"),
        ("mooncake", "{oops\n", "line 1: not JSON"),
    ],
)
def test_a_wrong_trace_is_refused_with_its_line(
    tmp_path: Path, form: str, text: str, said: str
) -> None:
    """So that it can be put right."""
    file = tmp_path / "trace"
    file.write_text(text)
    with pytest.raises(BadInput, match=said):
        read_trace(file, form)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"workers": []}, "workers: expected a list with something"),
        ({"workers": [{**GPU, "decode_tps": 0}]}, r"workers\[0\].decode_tps: expected .* above 0"),
        ({"workers": [{**GPU, "max_concurrency": 1.5}]}, "whole number"),
        ({"models": [{"name": "m", "memory_gb": 1}]}, r"models\[0\]: no field 'load_s'"),
        ({"models": [{"name": "m", "memory_gb": 99, "load_s": 1}]}, "largest worker has 40"),
        ({"events": [{"at_s": 1, "worker": "x", "speed": 1}]}, "events name 'x'"),
    ],
)
def test_a_wrong_fleet_is_refused_with_its_field(change: dict[str, Any], said: str) -> None:
    """Field by field."""
    with pytest.raises(BadInput, match=said):
        plan_of(fleet(**change), "fleet.json")


def test_the_committed_fleets_can_be_read() -> None:
    """Each of them."""
    found = sorted(Path("benchmarks/fleets").glob("*.json"))
    assert len(found) >= 5
    for file in found:
        assert read_fleet(file).workers


def test_a_drawn_overload_is_long_prompts_and_short_answers_in_bursts() -> None:
    """The same from the same seed, another from another, and mostly far denser than its mean."""
    trace = overload(1, 2000)
    assert trace == overload(1, 2000) != overload(2, 2000)
    assert statistics.mean(r.prompt for r in trace) > 50 * statistics.mean(r.output for r in trace)
    gaps = [later.at_s - earlier.at_s for earlier, later in pairwise(trace)]
    assert statistics.median(gaps) < statistics.mean(gaps) / 2


def test_the_verdict_compares_with_others_policies_and_not_with_our_other_orders() -> None:
    """However much better one of ours is."""
    poor, best, ours = (
        Figures(1.0, p95, p95, 1.0, goodput, 0, 0, 1.0)
        for p95, goodput in ((4.0, 1.0), (1.0, 9.0), (2.0, 3.0))
    )
    found = {"modelyard": ours, "modelyard-fair": best, "dynamo": poor}
    said = verdict(found, "modelyard", OUR_ORDERS)
    assert said.endswith("best other (dynamo): p95 0.50x, p99 0.50x; goodput 3.00x")
