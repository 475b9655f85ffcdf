"""Every step of an ingest by every fault: it ends in all or nothing, in every place."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.flows.harness import REPO, FlowHarness

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
NOTHING = ("parts", "scratch", "records", "pending")
DEAD = {("CRASHED", "interrupted"), ("COMPLETED", "completed"), ("CRASHED", "completed")}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a struck ingest ended: its error's code, or the signal that killed it."""

    where: str
    code: str
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Forks:
    """The process that forks for each ingest and each look."""

    process: "subprocess.Popen[str]"

    def ask(self, what: str, *arguments: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([what, *arguments]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ingest(self, to: str, fault: str = "", at: int = -1, name: str = REPO) -> dict[str, Any]:
        request = {"repo": REPO, "quantize": [to], "name": name}
        return self.ask("ingest", request, {"fault": fault, "at": at, "model": name})

    def look(self) -> dict[str, Any]:
        return self.ask("look")


@contextmanager
def running_forks(harness: FlowHarness) -> Generator[Forks]:
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    argv = ["unshare", *own, "--mount", sys.executable, "-W", "ignore", "-m"]
    with subprocess.Popen(
        [*argv, "tests.flows.lifecycle.forks"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=harness.env(),
    ) as process:  # fmt: skip
        forks = Forks(process)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == "ready"
        yield forks


@pytest.fixture
def forks(harness: FlowHarness) -> Generator[Forks]:
    with running_forks(harness) as forks:
        yield forks


def check_agree(seen: dict[str, Any], where: str) -> None:
    """Store, MLflow, index and pins have the catalog's versions, and nothing that it lacks."""
    known = {*seen["versions"], *seen["pending"]}
    for place in ("mlflow", "cards", "pins"):
        assert set(seen["versions"]) <= set(seen[place]) <= known, (where, place, seen)
    assert seen["missing"] == [], where


def struck(
    forks: Forks, fault: str, to: Callable[[int], str] = lambda _: "Q8_0"
) -> Iterator[Ended]:
    """An ingest for each point that an ingest really has, struck there; ends after the last."""
    for at in itertools.count():
        ended = forks.ingest(to(at), fault, at)
        if len(ended.get("points", range(at + 1))) <= at:
            assert ended["code"] == "", ended
            return
        yield Ended(f"{fault} at {ended.get('points', [])[at:] or at}", ended["code"], ended)


def test_cancelled_at_any_point_nothing_stays_or_all(forks: Forks) -> None:
    """Everywhere: no file, no part, no record; what was registered before stays, and is named."""
    codes = set[str]()
    for ended in struck(forks, "cancel"):
        seen = forks.look()
        check_agree(seen, ended.where)
        assert (ended.code, seen["prefect"]) == ("cancelled", "CANCELLED"), (ended, seen)
        assert [seen[what] for what in NOTHING] == [[]] * len(NOTHING), (ended, seen)
        if seen["versions"]:
            assert f"{REPO}@1 was registered" in ended.answer["message"], ended
            codes.add("kept")
            break
        assert (seen["board"], seen["unpinned"]) == ("cancelled", []), (ended, seen)
        assert "nothing of it was kept" in seen["message"]
        codes.add("gone")
    assert codes == {"kept", "gone"}


def test_killed_at_any_point_the_next_run_ends_it(forks: Forks) -> None:
    """What is seen is whole each time, nobody is left running, and the next goes on from there."""
    for ended in struck(forks, "kill"):
        assert ended.code == "signal 9", ended
        check_agree(forks.look(), ended.where)
        forks.ask("settle")
        seen = forks.look()
        assert (seen["prefect"], seen["board"]) in DEAD, (ended, seen)
        assert seen["records"] == [], ended
    seen = forks.look()
    check_agree(seen, "in the end")
    assert [*seen["versions"].values()] == [f"{REPO}@1"]
    assert seen["pending"] == []


def test_on_a_full_disk_it_ends_with_a_reason(forks: Forks) -> None:
    """No bus error, no traceback, nothing half; with room again the same goes on."""
    for ended in struck(forks, "full disk"):
        forks.ask("let_go")
        seen = forks.look()
        assert ended.code in {"", "storage_full", "mlflow_unavailable"}, ended
        check_agree(seen, ended.where)
        assert seen["prefect"] in {"FAILED", "COMPLETED"}, (ended, seen)
    seen = forks.look()
    check_agree(seen, "in the end")
    assert [*seen["versions"].values()] == [f"{REPO}@1"]


def test_removed_while_it_runs_no_orphan_stays(forks: Forks) -> None:
    """The model goes while another build of it is on its way: that is whole, or nowhere."""
    types = ("Q8_0", "Q6_K")
    forks.ingest(types[1])
    for at, ended in enumerate(struck(forks, "remove", lambda at: types[at % 2])):
        seen = forks.look()
        check_agree(seen, ended.where)
        assert ended.code in {"", "model_not_found"}, ended
        assert seen["pending"] == []
        if not seen["versions"]:  # what the next one is removed under
            forks.ingest(types[at % 2])
