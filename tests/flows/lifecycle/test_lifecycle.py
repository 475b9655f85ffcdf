"""Every step of an ingest by every fault: it ends in all or nothing, in every place."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelyard.flows.prefect.address import Prefect
from tests.deployments.hub_process import RunningHub as HubProcess
from tests.flows.harness import CARD, FILE, REPO, FlowHarness

pytestmark = [pytest.mark.slow(seconds=300), pytest.mark.timeout(1200)]
QUANTIZE = 3
"""The number of that step, when there is a download and a build to undo."""

NOTHING = ("parts", "scratch", "records", "pending", "unpinned")
DEAD = {("CRASHED", "interrupted"), ("COMPLETED", "completed"), ("CRASHED", "completed")}


@dataclass(frozen=True, slots=True)
class StruckIngest:
    """How a struck ingest ended: its error's code, or the signal that killed it."""

    where: str
    code: str
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LifecycleForks:
    """The process that forks for each ingest and each look."""

    process: "subprocess.Popen[str]"
    stride: int

    def ask(self, what: str, *arguments: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([what, *arguments]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ingest(self, model: str, to: str, fault: str = "", at: int = -1) -> dict[str, Any]:
        request = {"repo": REPO, "quantize": [to], "name": model}
        return self.ask("ingest", request, {"fault": fault, "at": at, "model": model})

    def look(self) -> dict[str, Any]:
        return self.ask("look")


@contextmanager
def running_forks(harness: FlowHarness, stride: int) -> Generator[LifecycleForks]:
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    argv = ["unshare", *own, "--mount", sys.executable, "-W", "ignore", "-m"]
    with subprocess.Popen(
        [*argv, "tests.flows.lifecycle.forks"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=harness.env(),
    ) as process:  # fmt: skip
        forks = LifecycleForks(process, stride)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == "ready"
        yield forks


@pytest.fixture(scope="module")
def forks(
    served: HubProcess,
    prefect: Prefect,
    tiny: Path,
    tmp_path_factory: pytest.TempPathFactory,
    full_length: int,
) -> Generator[LifecycleForks]:
    """One installation for these tests; each has a model and a type of its own."""
    folder = served.root / REPO
    folder.mkdir(parents=True)
    for name, content in ((FILE, tiny.read_bytes()), ("README.md", CARD), (".hub.json", b"{}")):
        (folder / name).write_bytes(content)
    data = tmp_path_factory.mktemp("lifecycle") / "data"
    stride = 1 if full_length > 1 else 2
    with running_forks(FlowHarness(data, served.url, prefect), stride) as forks:
        yield forks
    shutil.rmtree(folder)


def check_agree(seen: dict[str, Any], where: str) -> None:
    """Store, MLflow, index and pins have the catalog's versions, and nothing that it lacks."""
    known = {*seen["versions"], *seen["pending"]}
    for place in ("mlflow", "cards", "pins"):
        assert set(seen["versions"]) <= set(seen[place]) <= known, (where, place, seen)
    assert seen["missing"] == [], where


def struck(
    forks: LifecycleForks, fault: str, model: str, to: Callable[[int], str], since: str = ""
) -> Iterator[StruckIngest]:
    """An ingest for each point that an ingest really has, struck there; ends after the last.

    At every second only, unless at full length; with `since` only the first point, and those from
    the one of that name on.
    """
    at = 0
    while True:
        ended = forks.ingest(model, to(at), fault, at)
        points = ended.get("points", [])
        if ended["code"] == "" and len(points) <= at:
            return
        yield StruckIngest(f"{fault} at {points[at:] or at}", ended["code"], ended)
        at = max(at + forks.stride, points.index(since) if since in points else 0)


def test_cancelled_at_any_point_nothing_stays_or_all(forks: LifecycleForks) -> None:
    """Everywhere: no file, no part, no record; what was registered before stays, and is named."""
    model = "ada/cancelled"
    before = forks.look()
    kept: list[bool] = []
    for ended in struck(forks, "cancel", model, lambda _: "Q8_0"):
        seen = forks.look()
        check_agree(seen, ended.where)
        assert (ended.code, seen["prefect"]) == ("cancelled", "CANCELLED"), (ended, seen)
        assert [seen[what] for what in NOTHING] == [before[what] for what in NOTHING], (ended, seen)
        kept.append(f"{model}@1" in seen["versions"].values())
        if kept[-1]:
            assert f"{model}@1 was registered" in ended.answer["message"], ended
            break
        assert (seen["board"], seen["message"][-23:]) == ("cancelled", "nothing of it was kept."), (
            seen
        )
    steps = ("resolve", "download", "validate", "quantize", "evaluate", "register")
    assert len(kept) * forks.stride > len(steps)
    assert kept[-1]


def test_a_run_whose_runner_was_killed_is_cancelled_all_the_same(forks: LifecycleForks) -> None:
    """Nobody is beside it any more: it sees the cancellation itself, and undoes what it began."""
    before = forks.look()
    request = {"repo": REPO, "quantize": ["Q4_K_S"], "name": "ada/orphan"}
    strike = {"fault": "orphan and cancel", "at": QUANTIZE, "model": "ada/orphan"}
    runner = forks.ask("ingest under runner", request, strike)
    assert runner["code"] == "signal 9", runner
    seen = forks.look()
    check_agree(seen, "cancelled without a runner")
    assert (seen["prefect"], seen["board"]) == ("CANCELLED", "cancelled"), seen
    assert [seen[what] for what in NOTHING] == [before[what] for what in NOTHING], seen


def test_killed_at_any_point_the_next_run_ends_it(forks: LifecycleForks) -> None:
    """What is seen is whole each time, nobody is left running, and the next goes on from there."""
    model = "ada/killed"
    for ended in struck(forks, "kill", model, lambda _: "Q5_K_M"):
        assert ended.code == "signal 9", ended
        forks.ask("settle")
        seen = forks.look()
        check_agree(seen, ended.where)
        assert (seen["prefect"], seen["board"]) in DEAD, (ended, seen)
        assert seen["records"] == [], ended
    check_in_the_end(forks, model)


def test_on_a_full_disk_it_ends_with_a_reason(forks: LifecycleForks) -> None:
    """No bus error, no traceback, nothing half; with room again the same goes on."""
    model = "ada/full"
    codes = set[str]()
    for ended in struck(forks, "full disk", model, lambda _: "Q4_K_M"):
        forks.ask("let_go")
        seen = forks.look()
        codes.add(ended.code)
        check_agree(seen, ended.where)
        assert seen["prefect"] in {"FAILED", "COMPLETED"}, (ended, seen)
    assert codes <= {"", "storage_full", "mlflow_unavailable"}
    assert "storage_full" in codes
    check_in_the_end(forks, model)


def check_in_the_end(forks: LifecycleForks, model: str) -> None:
    seen = forks.look()
    check_agree(seen, "in the end")
    assert [ref for ref in seen["versions"].values() if ref.startswith(model)] == [f"{model}@1"]
    assert seen["pending"] == []


def test_removed_while_it_runs_no_orphan_stays(forks: LifecycleForks) -> None:
    """The model goes while another build of it is on its way: that is whole, or nowhere."""
    model = "ada/removed"
    types = ("Q8_0", "Q5_K_M")
    codes = set[str]()
    forks.ingest(model, types[1])
    turn = itertools.count()
    for ended in struck(forks, "remove", model, lambda _: types[next(turn) % 2], since="register"):
        seen = forks.look()
        codes.add(ended.code)
        check_agree(seen, ended.where)
        assert seen["pending"] == []
        if not any(ref.startswith(model) for ref in seen["versions"].values()):
            forks.ingest(model, types[next(turn) % 2])  # what the next one is removed under
    assert codes == {"", "model_not_found"}
