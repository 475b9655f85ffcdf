"""The flows as Prefect serves them: started by name, and cancelled without a trace."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from modelyard.flows.ingest.flow import ingest
from modelyard.flows.maintenance import is_overdue
from modelyard.flows.steps.choose.quantizations import MAKEABLE
from modelyard.registry.runs.state import RunState
from tests.deployments.hub_process import RunningHub as HubProcess
from tests.flows.conftest import TOKEN
from tests.flows.harness import PATIENCE_S, REPO, FlowHarness
from tests.servers.hostile_folder import hostile_folder
from tests.servers.prefect import prefect_api

ROOT = Path(__file__).parents[2]
SETTLED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@contextmanager
def served(
    harness: FlowHarness, said: list[str] | None = None, **env: str
) -> Generator[httpx2.Client]:
    """`modelyard flows` with its deployments known to the server; yields the server's API.

    It stands in a hostile folder, and so do the processes of its flow runs. What all of them wrote
    is in `said` at the end.
    """
    folder = hostile_folder(harness.data.parent / "project")
    process = harness.start("flows", cwd=folder.path, **env)
    with prefect_api(harness.prefect) as api:
        try:
            for name in ("ingest/ingest", "upkeep/daily"):
                _await(lambda name=name: api.get(f"/deployments/name/{name}").is_success, process)
            yield api
        finally:
            process.send_signal(signal.SIGINT)
            written = process.communicate(timeout=240)
            if said is not None:
                said += written
    assert folder.imported == []


def _await(done: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def deployed(api: httpx2.Client, name: str = "ingest/ingest") -> str:
    return str(api.get(f"/deployments/name/{name}").json()["id"])


def start_run(api: httpx2.Client, deployment: str = "", **parameters: object) -> str:
    deployment = deployment or deployed(api)
    return post(api, f"/deployments/{deployment}/create_flow_run", parameters=parameters)["id"]


def post(api: httpx2.Client, path: str, **body: object) -> Any:
    """As Prefect's own client: a 503 of its busy SQLite is asked again."""
    while (answer := api.post(path, json=body)).status_code == 503:
        time.sleep(0.5)
    return answer.raise_for_status().json()


def state(api: httpx2.Client, run: str) -> str:
    answer = api.get(f"/flow_runs/{run}")
    return answer.json()["state"]["type"] if answer.is_success else "UNKNOWN"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_started_in_prefect_registers_the_model(harness: FlowHarness) -> None:
    """The form on Prefect's pages does what the command does, and no log has a login."""
    said = list[str]()
    with served(harness, said, HF_TOKEN=TOKEN, MODELYARD_LOG_LEVEL="debug") as api:
        run = start_run(api, repo=REPO, quantize=["Q8_0"])
        _await(lambda: state(api, run) in SETTLED)
        assert state(api, run) == "COMPLETED"
        said += [line["message"] for line in post(api, "/logs/filter")]
    password = harness.prefect.login.partition(":")[2]
    assert len(said) > 2
    assert [secret for secret in (TOKEN, password) if secret in "".join(said)] == []
    (version,) = harness.versions()
    assert version.facts.quantization == "Q8_0"
    assert harness.runs()[0].prefect_run_id == run


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_cancelled_run_leaves_nothing_behind(
    harness: FlowHarness, hub_process: HubProcess
) -> None:
    """Its download goes, its row says cancelled, and no version came of it."""
    hub_process.fault(bytes_per_second=20_000, path="tiny-f16.gguf")
    with served(harness) as api:
        run = start_run(api, repo=REPO)
        _await(lambda: any(r.step == "download" and r.done for r in harness.runs()))
        assert len(harness.parts) == 1
        cancelling = {"type": "CANCELLING", "name": "Cancelling"}
        post(api, f"/flow_runs/{run}/set_state", state=cancelling)
        _await(lambda: state(api, run) == "CANCELLED")
        _await(lambda: harness.runs()[0].state is RunState.CANCELLED)
    assert harness.parts == []
    assert list((harness.store.root / "scratch").iterdir()) == []
    assert harness.versions() == []
    assert not list((harness.data / "run" / "flows").glob("*"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_step_that_the_server_names_is_run(harness: FlowHarness) -> None:
    """Whoever may change a deployment can not have this machine run what they like."""
    trace = harness.data.parent / "trace"
    step = {"prefect.deployments.steps.run_shell_script": {"script": f"touch {trace}"}}
    with served(harness) as api:
        daily = deployed(api, "upkeep/daily")
        (schedule,) = api.get(f"/deployments/{daily}").json()["schedules"]
        assert schedule["schedule"]["cron"] == "17 4 * * *", "no start begins its interval anew"
        changed = api.patch(f"/deployments/{daily}", json={"pull_steps": [step]})
        assert changed.is_success, changed.text
        assert api.get(f"/deployments/{daily}").json()["pull_steps"] == [step]
        run = start_run(api, daily)
        _await(lambda: state(api, run) in SETTLED)
        assert state(api, run) == "COMPLETED"
    assert not trace.exists()


def test_upkeep_is_overdue_a_day_after_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a machine that is off at that hour, each day, is kept up when it serves again."""
    monkeypatch.setenv("MODELYARD_DATA_DIR", str(tmp_path))
    assert not is_overdue(), "nothing can be left in a new installation"
    mark = tmp_path / "run" / "upkeep"
    for hours, overdue in ((23, False), (25, True)):
        then = time.time() - hours * 3600
        os.utime(mark, (then, then))
        assert is_overdue() is overdue


def test_what_is_a_choice_is_offered_as_one() -> None:
    """Prefect's form has a list of quantizations instead of a field for text."""
    quantize = ingest.parameters.properties["quantize"]
    assert quantize["items"]["enum"] == list(MAKEABLE)


def test_the_work_pool_s_deployments_name_flows_that_are_there() -> None:
    """Each entrypoint in prefect.yaml is dotted and leads to a function of that name."""
    whole: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    for deployment in whole["deployments"]:
        module, _, function = deployment["entrypoint"].rpartition(".")
        source = (ROOT / "src").joinpath(*module.split(".")).with_suffix(".py")
        assert f"def {function}(" in source.read_text()
