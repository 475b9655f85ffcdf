"""What is kept of a worker so that it need not be worked out for each request."""

from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.routing.estimates.speeds import LinearFit, TokenLatency
from modelyard.serving.routing.policy.fleet_state import PendingRequest, Replica, WorkerState
from modelyard.serving.routing.policy.request import RoutedRequest

CHANGES = ("hold", "release", "send", "leave", "others", "report", "slots", "fit")


@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 3)), max_size=20))
def test_after_every_change_it_is_as_if_worked_out_anew(changes: list[tuple[str, int]]) -> None:
    """Whether a worker is free, and the speeds of its versions, whoever reads them next."""
    worker = WorkerState(0, "gpu-0", "card", 1, 1.0)
    replica = Replica(worker, "a", 1.0, TokenLatency(LinearFit(1e-3), LinearFit(1e-2)))
    replica.learned()
    sent = list[PendingRequest]()
    for change, number in changes:
        _make(worker, replica, sent, change, number)
        assert worker.is_plain == (worker.is_fit and not worker.held and not worker.is_full)
        if replica.turn == worker.turn:
            known = (replica.prefill_s, replica.decode_s)
            replica.learned()
            assert known == (replica.prefill_s, replica.decode_s)
        replica.learned()


def _make(
    worker: WorkerState, replica: Replica, sent: list[PendingRequest], change: str, number: int
) -> None:
    pending = PendingRequest(RoutedRequest("r", "ada"), "a", 0.0)
    pending.bind(replica, 100.0, 10.0)
    match change:
        case "hold":
            worker.hold(pending, replica)
        case "release" if worker.held:
            worker.release(worker.held[0], replica)
        case "send":
            worker.send(pending, 0.0)
            sent.append(pending)
        case "leave" if sent:
            worker.leave(sent.pop(), 1.0)
        case "others":
            worker.others_have(number, 0.0)
        case "report":
            worker.reported(memory=1.0, slots=1 + number, strain=number)
        case "slots":
            worker.takes_at_least(1 + number)
        case _:
            worker.is_fit = number > 0


def test_after_a_prompt_is_computed_speeds_are_read_anew() -> None:
    """They are learned from it, and then hold for the next decision already."""
    worker = WorkerState(0, "gpu-0", "card", 1, 1.0)
    replica = Replica(worker, "a", 1.0, TokenLatency(LinearFit(1e-3), LinearFit(1e-2)))
    pending = PendingRequest(RoutedRequest("r", "ada"), "a", 0.0)
    pending.bind(replica, 100.0, 10.0)
    worker.send(pending, 0.0)
    replica.learned()
    worker.computed(pending, 1.0)
    assert replica.turn != worker.turn
