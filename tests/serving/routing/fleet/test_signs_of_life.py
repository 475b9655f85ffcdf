"""Who lives is judged on one clock, and whoever looks dead is asked."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from modelyard.registry.database import utc_now
from modelyard.registry.fleet.fleet import WorkerView
from modelyard.registry.fleet.report import DeviceReport
from modelyard.serving.routing.fleet.asking import WorkerReply
from modelyard.serving.routing.fleet.signs_of_life import SignsOfLife

STARTED = utc_now()
ALIVE_S = 15.0


def worker(device_id: str = "cpu-0", *, ago_s: float, off_s: float = 0.0) -> WorkerView:
    """A worker that gave a sign so long ago, by a clock that is so far off."""
    at = utc_now() - timedelta(seconds=ago_s - off_s)
    return WorkerView(device_id, f"http://{device_id}", 1, DeviceReport(), STARTED, at)


def living(signs: SignsOfLife, *workers: WorkerView) -> list[str]:
    return [found.device_id for found in signs.living(workers)]


def replies(**of: WorkerReply) -> Callable[[str], WorkerReply]:
    return lambda url: of[url.removeprefix("http://").partition("-")[0]]


def test_a_heartbeat_that_changes_is_a_sign_whatever_its_clock_says() -> None:
    """Of a worker whose clock is 20 s behind each report counts from when it was seen."""
    signs = SignsOfLife(ALIVE_S)
    assert living(signs, worker(ago_s=0, off_s=-20)) == []
    assert living(signs, worker(ago_s=0, off_s=-20)) == ["cpu-0"]
    assert signs.silent_s(worker(ago_s=0, off_s=-20)) < 1


@pytest.mark.parametrize("off_s", [-3600.0, -20.0, 20.0, 3600.0])
def test_a_wrong_clock_costs_no_request(off_s: float) -> None:
    """Already the first look asks the worker itself."""
    signs = SignsOfLife(ALIVE_S, replies(cpu=WorkerReply.LIVES))
    assert living(signs, worker(ago_s=1, off_s=off_s)) == ["cpu-0"]


def test_clocks_that_differ_are_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    """The operator is told by how much, and not again with every heartbeat."""
    signs = SignsOfLife(ALIVE_S, replies(cpu=WorkerReply.LIVES))
    for _ in range(4):
        living(signs, worker(ago_s=0, off_s=-20))
    said = capfd.readouterr()
    assert (said.out + said.err).count("clocks_differ") == 1


def test_workers_that_cannot_write_are_asked_and_live_on() -> None:
    """A database that takes no writes makes all silent at once; who answers is not dead."""
    signs = SignsOfLife(ALIVE_S, replies(well=WorkerReply.LIVES, dead=WorkerReply.SILENT))
    silent = [worker(name, ago_s=40) for name in ("well-0", "dead-0")]
    assert living(signs, *silent) == ["well-0"]
    assert living(signs, *silent) == ["well-0"]


def test_a_worker_with_another_secret_is_no_worker(capfd: pytest.CaptureFixture[str]) -> None:
    """It reports, but it would refuse all that is asked of it: it is said, and left out."""
    signs = SignsOfLife(ALIVE_S, replies(cpu=WorkerReply.STRANGER))
    for _ in range(3):
        assert living(signs, worker(ago_s=0)) == []
    assert signs.is_stranger("cpu-0")
    said = capfd.readouterr()
    assert (said.out + said.err).count("worker_has_another_secret") == 1


def test_a_dead_worker_is_asked_ever_less_often() -> None:
    """Its row may stay for a day; each question may take a second."""
    asked = list[str]()

    def ask(url: str) -> WorkerReply:
        asked.append(url)
        return WorkerReply.SILENT

    signs = SignsOfLife(ALIVE_S, ask)
    dead = worker(ago_s=600)
    for _ in range(20):
        assert living(signs, dead) == []
    assert len(asked) == 1
