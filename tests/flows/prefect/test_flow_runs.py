"""Lifecycle runs are cancelled and repeated at the Prefect server that has them."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from typer.testing import CliRunner

from modelyard.flows.cli import register
from modelyard.flows.errors import PrefectRefused
from modelyard.flows.prefect.address import Prefect
from modelyard.flows.prefect.flow_runs import TAG, PrefectRuns
from modelyard.flows.runs.record import record_of
from modelyard.registry.console import Commands
from modelyard.registry.database import Database
from modelyard.registry.errors import RunEnded, UnknownRun
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.state import RunState
from tests.servers.prefect import prefect_api

pytestmark = pytest.mark.slow
PARAMETERS = {"repo": "ada/m", "quantize": ["Q8_0"]}


@pytest.fixture
def server(prefect: Prefect) -> Generator[httpx2.Client]:
    with prefect_api(prefect) as client:
        yield client


@pytest.fixture
def flow_run(server: httpx2.Client) -> str:
    """A running one of a deployment that nobody serves."""
    flow = _made(server, "/flows/", {"name": "ingest"})
    deployment = _made(
        server, "/deployments/", {"name": "ingest", "flow_id": flow["id"], "tags": [TAG]}
    )
    path = f"/deployments/{deployment['id']}/create_flow_run"
    state = {"type": "RUNNING", "name": "Running"}
    run = _made(server, path, {"parameters": PARAMETERS})
    _made(server, f"/flow_runs/{run['id']}/set_state", {"state": state, "force": True})
    return str(run["id"])


@pytest.fixture
def asked(prefect: Prefect) -> Generator[None]:
    """Prefect's own client in this process asks the test's server, as in a command's process."""
    login = {PREFECT_API_AUTH_STRING: prefect.login}
    with temporary_settings({PREFECT_API_URL: prefect.url, **login}):
        yield


def _made(server: httpx2.Client, path: str, body: dict[str, Any]) -> Any:
    return server.post(path, json=body).raise_for_status().json()


def _runs(server: httpx2.Client) -> dict[str, Any]:
    """The parameters of the server's runs by their ids; other tests have some there, too."""
    found = _made(server, "/flow_runs/filter", {"sort": "ID_DESC", "limit": 200})
    return {run["id"]: run["parameters"] for run in found}


@pytest.fixture
def commands(
    prefect: Prefect, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Commands:
    monkeypatch.setenv("MODELYARD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MODELYARD_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("PREFECT_API_URL", prefect.url)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", prefect.login)
    commands = Commands()
    register(commands)
    return commands


def _run(commands: Commands, *words: str) -> str:
    ended = CliRunner().invoke(commands.root, ["runs", *words])
    if ended.exception is not None:
        raise ended.exception
    return ended.output


def test_a_running_one_is_cancelled_and_repeated_as_it_was(
    commands: Commands, server: httpx2.Client, flow_run: str, database: Database
) -> None:
    """By the id of the board; Prefect tells whoever runs it, and keeps the parameters."""
    board = RunBoard(database)
    with board.start("ingest", "ada/m@main", flow_run) as run:
        assert "being cancelled" in _run(commands, "cancel", run.id[:8])
        state = server.get(f"/flow_runs/{flow_run}").json()["state"]["type"]
        assert state in {"CANCELLING", "CANCELLED"}
        with pytest.raises(RunEnded, match="nothing to repeat"):
            _run(commands, "retry", run.id)
        run.finish(RunState.CANCELLED)
    with pytest.raises(RunEnded, match="has ended"):
        _run(commands, "cancel", run.id)
    before = _runs(server)
    assert "begins again" in _run(commands, "retry", run.id)
    again = [told for id_, told in _runs(server).items() if id_ not in before]
    assert again == [PARAMETERS]


def test_a_cancelled_one_whose_process_is_dead_ends_at_once(
    commands: Commands,
    server: httpx2.Client,
    flow_run: str,
    database: Database,
    tmp_path: Path,
    asked: None,
) -> None:
    """Nobody is left who would end it: the command does, on Prefect and on the board."""
    board = RunBoard(database)
    with board.start("ingest", "ada/m@main", flow_run) as run:
        record = record_of(tmp_path, flow_run)
        with record.held():
            record.note("lock", str(tmp_path / "lock"))
        assert "nothing of it was kept" in _run(commands, "cancel", run.id)
        assert server.get(f"/flow_runs/{flow_run}").json()["state"]["type"] == "CANCELLED"
        assert board.named(run.id).state is RunState.CANCELLED
    assert not record.file.exists()


def test_a_run_that_was_taken_and_never_began_is_found(
    server: httpx2.Client, flow_run: str, asked: None
) -> None:
    """Its runner was killed in between: after a while it is crashed, and holds no slot."""
    pending = {"state": {"type": "PENDING", "name": "Pending"}, "force": True}
    _made(server, f"/flow_runs/{flow_run}/set_state", pending)
    with get_client(sync_client=True) as client:
        runs = PrefectRuns(client)
        now = datetime.now(UTC)
        assert flow_run not in runs.stuck(now - timedelta(minutes=1))
        assert flow_run in runs.stuck(now + timedelta(minutes=1))
        runs.crash(flow_run, "never began")
        assert flow_run not in runs.stuck(now + timedelta(minutes=1))


def test_what_prefect_does_not_know_is_told(commands: Commands, database: Database) -> None:
    """A run of another server, one without Prefect, and none at all."""
    board = RunBoard(database)
    foreign = "0a0a0a0a-0000-4000-8000-000000000000"
    with board.start("ingest", "ada/m", foreign) as run, pytest.raises(PrefectRefused):
        _run(commands, "cancel", run.id)
    with board.start("ingest", "ada/m") as run, pytest.raises(RunEnded, match="where it runs"):
        _run(commands, "cancel", run.id)
    with pytest.raises(UnknownRun):
        _run(commands, "cancel", "no-such")
