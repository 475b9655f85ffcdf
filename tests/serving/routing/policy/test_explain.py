"""An explanation is the decision's own reckoning, told term by term."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.cost import cheapest
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.explain import Explanation, RouteCandidate, explain
from modelyard.serving.routing.policy.fleet_state import PendingRequest, ReplicaState
from modelyard.serving.routing.policy.request import RoutedRequest
from tests.serving.routing.decided import Decided

NOW = 10.0
MEMORY = 25.0


@dataclass(frozen=True, slots=True)
class DrawnWorker:
    """A device: whether it has the version, how much it has to do, how it does."""

    state: ReplicaState | None
    requests: tuple[tuple[int, str], ...]
    others: int
    strain: float
    is_fit: bool


WORKERS = st.lists(
    st.builds(
        DrawnWorker,
        st.sampled_from([None, *ReplicaState]),
        st.lists(
            st.tuples(st.integers(1, 20_000), st.sampled_from(["ada", "bob"])), max_size=6
        ).map(tuple),
        st.integers(0, 3),
        st.sampled_from([0.0, 1.5]),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)
ASKED = st.builds(
    RoutedRequest,
    st.just("r"),
    st.sampled_from(["ada", "bob"]),
    st.integers(1, 5),
    st.integers(1, 20_000),
    st.integers(0, 500),
    st.sampled_from([(), (1,), (1, 2, 3)]),
    st.integers(0, 2),
)


def fleet(drawn: list[DrawnWorker]) -> Dispatcher:
    core = Decided().dispatcher(ClusterState(512, memory_unit=1e9))
    core.cluster.needs["a"] = 10.0
    for number, found in enumerate(drawn):
        worker = core.cluster.add_worker(f"gpu-{number}", f"card-{number % 2}", 3)
        worker.reported(memory=MEMORY, slots=3, strain=found.strain)
        if found.state is not None:
            replica = core.cluster.add_replica(worker, "a", 0.0)
            replica.pace.prefill.learn(1, 1000, 1.0)
            for tokens, user in found.requests:
                work = RoutedRequest("q", user, prompt_tokens=tokens, prefix=(1, number))
                core.users.asked(work, NOW)
                core.also(PendingRequest(work, "a", NOW), replica, 0, NOW)
            replica.state = found.state
            replica.ready_at = NOW + number
        worker.others_have(found.others, float(found.others))
        worker.is_fit = found.is_fit
    return core


def total_s(told: Explanation, one: RouteCandidate) -> float:
    plain = one.queue_s + one.slot_s + one.load_s + one.prefill_s
    return plain + told.decode_weight * one.decode_s + told.toll_weight * one.toll_s


@given(WORKERS, ASKED)
@settings(max_examples=300)
def test_the_terms_that_are_told_add_up_to_the_cost_that_decides(
    drawn: list[DrawnWorker], asked: RoutedRequest
) -> None:
    """On a worker that has the version, loads it, or would have to load it first."""
    core = fleet(drawn)
    cluster = core.cluster
    told = explain(cluster, core.users, asked, "a", now=NOW)
    pending = PendingRequest(asked, "a", NOW)
    shut = core.users.shut(asked, NOW)
    costs = dict[str, float]()
    for one in [one for one in told.candidates if one.feasible]:
        assert total_s(told, one) == pytest.approx(one.cost_s)
        worker = next(w for w in cluster.workers if w.device_id == one.device_id)
        there = worker.replicas.get("a")
        if there is None:
            loading = ReplicaState.LOADING
            ready_at = NOW + cluster.load_s("a")
            there = cluster.add_replica(worker, "a", NOW, state=loading, ready_at=ready_at)
            assert one.load_s == pytest.approx(cluster.load_s("a"))
        else:
            costs[one.device_id] = one.cost_s
        decides = cheapest(cluster, pending, NOW, among=[there], shut=shut)
        assert one.cost_s == decides.cost_s
    if costs:
        assert told.chosen is not None
        assert costs[told.chosen] == min(costs.values())
