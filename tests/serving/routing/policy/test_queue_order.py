"""Who of those that wait begins next, in each of the three orders."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.routing.estimates.speeds import LinearFit, TokenLatency
from modelyard.serving.routing.policy.cluster_state import ClusterState
from modelyard.serving.routing.policy.dispatcher import Dispatcher
from modelyard.serving.routing.policy.fleet_state import PendingRequest
from modelyard.serving.routing.policy.overtaking import (
    MOST_PATIENCE_S,
    SLACK_SHARE,
    Overtaking,
    QueueOrder,
)
from modelyard.serving.routing.policy.request import RoutedRequest
from tests.serving.routing.decided import Decided

TOKEN_S = 1e-3
FORESEEN_S = 0.025
"""Speeds are learned meanwhile: what is foreseen of thousands of tokens is some tokens off."""

Arrival = tuple[float, int]
"""Seconds since the one before, and tokens of the prompt."""


def one_worker(order: QueueOrder, decided: Decided) -> Dispatcher:
    """A worker that computes one prompt at a time, at a known speed, and answers nothing."""
    cluster = ClusterState(512, order=order)
    cluster.needs["a"] = 1.0
    worker = cluster.add_worker("gpu-0", "card", 1)
    replica = cluster.add_replica(worker, "a", 0.0)
    replica.pace = TokenLatency(LinearFit(TOKEN_S), LinearFit(0.0))
    for _ in range(2):
        replica.pace.prefill.learn(1, 1000, 1000 * TOKEN_S)
    replica.learned()
    return decided.dispatcher(cluster)


@dataclass(slots=True)
class Play:
    """Requests in the order they come, each with the seconds until its prompt was begun."""

    order: QueueOrder
    arrivals: list[tuple[float, RoutedRequest]]
    begun: list[str] = field(default_factory=list[str])
    waited_s: dict[str, float] = field(default_factory=dict[str, float])

    def run(self) -> "Play":
        decided = Decided()
        core = one_worker(self.order, decided)
        coming = [*self.arrivals]
        running = list[PendingRequest]()  # at most one
        ends_at = float("inf")
        while coming or running:
            if coming and coming[0][0] <= ends_at:
                now, work = coming.pop(0)
                core.submit(work, "a", now)
            else:
                now = ends_at
                done = running.pop()
                core.first_token(done, now)
                core.finished(done, now, 1)
                ends_at = float("inf")
            if decided.sends:
                sent = decided.sends.pop()
                running.append(sent)
                work = sent.work
                ends_at = now + work.prompt_tokens * TOKEN_S
                self.begun.append(work.request_id)
                self.waited_s[work.request_id] = now - sent.arrived_at
        return self


def asked(
    *requests: tuple[str, float, int], user: str = "ada", priority: int = 3
) -> list[tuple[float, RoutedRequest]]:
    return [(at, RoutedRequest(name, user, priority, tokens)) for name, at, tokens in requests]


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 1.0]), st.integers(1, 5000)), min_size=2, max_size=60
    )
)
def test_balanced_lets_nobody_wait_longer_than_patience_or_a_tenth_more_than_first_come(
    drawn: list[Arrival],
) -> None:
    """Whatever comes when: within MOST_PATIENCE_S, or within 1.1 times its wait with FAIR."""
    arrivals = list[tuple[float, RoutedRequest]]()
    at = 0.0
    for number, (after_s, tokens) in enumerate(drawn):
        at += after_s
        arrivals += asked((str(number), at, tokens))
    fair = Play(QueueOrder.FAIR, arrivals).run()
    balanced = Play(QueueOrder.BALANCED, arrivals).run()
    assert fair.begun == [work.request_id for _, work in arrivals]
    for name, fair_s in fair.waited_s.items():
        most_s = max(MOST_PATIENCE_S, (1 + SLACK_SHARE) * fair_s)
        assert balanced.waited_s[name] <= most_s + FORESEEN_S


QUEUE = asked(("running", 0.0, 5000), ("long", 0.1, 4000), ("short", 0.2, 200), ("tiny", 0.3, 100))


@pytest.mark.parametrize(
    ("order", "begun"),
    [
        (QueueOrder.FAIR, ["running", "long", "short", "tiny"]),
        (QueueOrder.BALANCED, ["running", "tiny", "short", "long"]),
        (QueueOrder.THROUGHPUT, ["running", "short", "tiny", "long"]),
    ],
)
def test_the_three_orders_of_the_same_queue(order: QueueOrder, begun: list[str]) -> None:
    """By arrival; the shortest first within the slack; the shortest as if they had come before."""
    assert Play(order, QUEUE).run().begun == begun


def test_balanced_lets_pass_only_what_the_slack_is_enough_for() -> None:
    """The long one has 30 s, a tenth: of three shorter ones of 12 s two may begin before it."""
    shorter = [(f"shorter-{number}", 0.2, 12_000) for number in range(3)]
    first = asked(("running", 0.0, 300_000), ("long", 0.1, 40_000), *shorter)
    play = Play(QueueOrder.BALANCED, first).run()
    assert play.begun == ["running", "shorter-0", "shorter-1", "long", "shorter-2"]


def test_who_would_wait_less_than_others_do_on_average_may_be_passed_until_then() -> None:
    """Within 1 s requests wait for 3 s on average: twice that, and no more, may be taken of it."""
    overtaking = Overtaking(QueueOrder.BALANCED)
    for _ in range(500):
        overtaking.waited(3.0, 1.0)
    assert overtaking.slack_s(1.0) == pytest.approx(5.0, abs=0.01)
    assert overtaking.slack_s(100.0) == pytest.approx(10.0)
    for _ in range(500):
        overtaking.waited(300.0, 1.0)
    assert overtaking.slack_s(1.0) == MOST_PATIENCE_S - 1.0


def test_balanced_lets_nobody_pass_one_of_higher_priority() -> None:
    """However short it is."""
    first = asked(("running", 0.0, 5000), ("long", 0.1, 4000), priority=4)
    play = Play(QueueOrder.BALANCED, first + asked(("tiny", 0.2, 10))).run()
    assert play.begun == ["running", "long", "tiny"]


def test_balanced_chooses_among_the_requests_of_the_user_whose_turn_it_is() -> None:
    """Bob has had less than Ada: it is his turn, and his shorter one begins."""
    ada = asked(("running", 0.0, 5000), ("ada-tiny", 0.1, 10))
    bob = asked(("bob-long", 0.2, 4000), ("bob-short", 0.3, 20), user="bob")
    play = Play(QueueOrder.BALANCED, ada + bob).run()
    assert play.begun.index("bob-short") == 1
