"""Estimates follow the learned speeds and what is ahead, and are never below zero."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.jobs.estimates import measured
from modelyard.serving.jobs.estimates import NOTHING_AHEAD, Ahead, JobWork, estimate
from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.fleet_state import Replica

WORK = JobWork(100, 50)
DECODE_S = 0.02
"""Seconds of a token with all places taken; of a token of a prompt it is a tenth."""


def cluster_of(slots: int) -> tuple[ClusterState, Replica]:
    """One device with a replica whose speeds are learned, and whose answers have 50 tokens."""
    cluster = ClusterState(256)
    worker = cluster.add_worker("gpu-0", "gpu", slots)
    worker.reported(memory=1e9, slots=slots, strain=0.0)
    cluster.needs["v"] = 1.0
    replica = cluster.add_replica(worker, "v", 0.0)
    replica.slots = slots
    for _ in range(500):
        replica.pace.prefill.learn(slots, 1000, 1000 * DECODE_S / 10)
        replica.pace.decode.learn(slots, 1000, 1000 * DECODE_S)
        cluster.demands.of("v").answered(50)
    return cluster, replica


def test_with_a_place_free_it_begins_now() -> None:
    """And takes what its tokens take."""
    cluster, _ = cluster_of(4)
    found = estimate(cluster, "v", WORK, NOTHING_AHEAD, now=0.0)
    assert found is not None
    assert found.start_s == pytest.approx(0, abs=0.01)
    assert found.run_s == pytest.approx(100 * DECODE_S / 10 + 50 * DECODE_S, rel=0.1)


def test_each_one_ahead_takes_a_place_for_its_time() -> None:
    """With all places taken, four at a time: the wait grows by a fourth of each."""
    cluster, replica = cluster_of(4)
    replica.busy = replica.worker.sent = 4
    waits = [
        found.start_s
        for jobs in (0, 40, 80)
        if (found := estimate(cluster, "v", WORK, Ahead(jobs, WORK), now=0.0))
    ]
    each_s = 100 * DECODE_S / 10 + 50 * DECODE_S / 4  # a prompt has the device for itself
    assert waits[1] - waits[0] == pytest.approx(40 * each_s, rel=0.1)
    assert waits[2] - waits[1] == pytest.approx(40 * each_s, rel=0.1)


def test_what_its_submitter_expects_counts() -> None:
    """Instead of what is measured."""
    cluster, _ = cluster_of(4)
    found = estimate(cluster, "v", JobWork(9, 9, 12.5), NOTHING_AHEAD, now=0.0)
    assert found is not None
    assert found.run_s == 12.5


def test_without_a_device_nothing_is_known() -> None:
    """Not even when it will begin."""
    cluster, replica = cluster_of(4)
    replica.worker.is_fit = False
    assert estimate(cluster, "v", WORK, NOTHING_AHEAD, now=0.0) is None


def test_a_version_that_is_nowhere_has_to_be_loaded_first() -> None:
    """The load counts until the start."""
    cluster, replica = cluster_of(4)
    cluster.drop_replica(replica)
    found = estimate(cluster, "v", WORK, NOTHING_AHEAD, now=0.0)
    assert found is not None
    assert found.start_s >= 1


@given(
    st.floats(0, 1e7),
    st.floats(0, 1e6),
    st.integers(0, 10**6),
    st.integers(0, 200),
    st.floats(0, 1e6),
)
def test_no_time_is_below_zero(
    prompt: float, output: float, ahead: int, busy: int, now: float
) -> None:
    """Whatever is asked, and however many are sent."""
    cluster, replica = cluster_of(4)
    replica.busy = replica.worker.sent = busy
    work = JobWork(prompt, output)
    found = estimate(cluster, "v", work, Ahead(ahead, work), now=now)
    assert found is not None
    assert found.start_s >= 0
    assert found.run_s >= 0


def test_under_steady_load_starts_are_estimated_within_a_fifth() -> None:
    """The median over simulated jobs, by the dispatcher that learns its speeds from them."""
    found = measured(600, seed=1)
    assert found["error_p50"] <= 0.2
    assert found["below_zero"] == 0
