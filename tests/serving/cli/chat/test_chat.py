"""`modelyard chat` and `modelyard status` against a gateway that really runs."""

import hashlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from sqlalchemy import update

from modelyard.registry.catalog.model import Visibility
from modelyard.registry.database import utc_now
from modelyard.registry.mlflow.mirror import MlflowRegistry
from modelyard.registry.runs.runs import RunBoard
from modelyard.registry.runs.tables import RunRow
from tests.servers.mlflow import running_mlflow
from tests.serving.installation import Installation, device_report, open_installation
from tests.serving.processes import MODELYARD, GatewayProcess, environment, gateway_process

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installation(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Installation]:
    """One installation for all of these tests."""
    folder = tmp_path_factory.mktemp("chat")
    file = shutil.copy(sqlite_template, folder / "modelyard.db")
    with open_installation(f"sqlite:///{file}", folder) as installation:
        yield installation


@pytest.fixture(scope="module")
def gateway(installation: Installation) -> Generator[GatewayProcess]:
    """A gateway whose only engine says its words slowly."""
    version = installation.filled.add("owner/talker")
    folder = installation.settings.data_dir
    env = environment(folder, installation.settings.database_url) | {
        "MODELYARD_WORKER_ALIVE_S": "600"
    }
    with installation.engine(version, delay_s=0.1), gateway_process(env, folder) as gateway:
        yield gateway


@pytest.fixture
def env(installation: Installation, gateway: GatewayProcess) -> dict[str, str]:
    # No worker runs that would give its signs of life.
    installation.fleet.heartbeat("cpu-0", device_report())
    return environment(installation.settings.data_dir, installation.settings.database_url) | {
        "MODELYARD_GATEWAY_URL": gateway.url,
        "MODELYARD_API_KEY": installation.ada,
    }


def _run(env: dict[str, str], *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MODELYARD, *arguments],
        env=env, input=typed, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_one_message_prints_its_answer_and_nothing_else(env: dict[str, str]) -> None:
    """Standard output is the answer, so that it can be used in a pipe."""
    ended = _run(env, "chat", "owner/talker", "Hello", "--max-tokens", "3", "--temperature", "0")
    assert (ended.returncode, ended.stdout) == (0, "All the world\n")


def test_a_conversation_goes_on_until_the_end_of_input(env: dict[str, str]) -> None:
    """Each line is answered; a model's error does not end it."""
    ended = _run(env, "chat", "owner/talker", "--max-tokens", "2", typed="One\n\n[fail]\nTwo\n")
    assert ended.returncode == 0
    assert ended.stdout.count("All the") == 2
    assert "Error:" in ended.stderr


@contextmanager
def _in_terminal(
    env: dict[str, str], *arguments: str
) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    """A command with a terminal of its own, and the terminal's other end."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*MODELYARD, *arguments],
        env=env, stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(follower)
        try:
            yield process, leader
        finally:
            process.kill()
            os.close(leader)


def test_ctrl_c_ends_the_answer_and_not_the_conversation(env: dict[str, str]) -> None:
    """At the prompt neither; Ctrl-D does, as the banner says."""
    with _in_terminal(env, "chat", "owner/talker", "--max-tokens", "200") as (process, terminal):
        _until(terminal, b"> ")
        for words in (b"Hello\n", b"Again\n"):
            os.write(terminal, words)
            seen = _until(terminal, b"stage")
            process.send_signal(signal.SIGINT)
            seen += _until(terminal, b"> ")
            assert seen.count(b"players") < 200 // 14  # the answer did not come to its end
        _until_it_reads(process)
        process.send_signal(signal.SIGINT)
        _until(terminal, b"> ")
        os.write(terminal, b"\x04")
        assert process.wait(60) == 0


def _until_it_reads(process: subprocess.Popen[bytes]) -> None:
    """Between its prompt and its `select` Python's readline keeps a signal for the next key."""
    deadline = time.monotonic() + 60
    while psutil.Process(process.pid).status() != psutil.STATUS_SLEEPING:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _until(terminal: int, words: bytes, within_s: float = 60.0) -> bytes:
    seen = b""
    deadline = time.monotonic() + within_s
    while words not in seen:
        assert time.monotonic() < deadline, seen
        seen += os.read(terminal, 4096)
    return seen


@pytest.mark.parametrize(
    ("changed", "arguments", "code", "words"),
    [
        ({}, ("owner/nobody", "Hi"), 4, "owner/nobody"),
        ({}, ("owner/nobody",), 4, "owner/nobody"),
        ({"MODELYARD_API_KEY": "my_wrong"}, ("owner/talker", "Hi"), 6, "modelyard keys create"),
        ({"MODELYARD_GATEWAY_URL": "http://127.0.0.1:9"}, ("owner/talker", "Hi"), 10, "answer"),
        ({"MODELYARD_GATEWAY_URL": ""}, ("owner/talker", "Hi"), 2, "modelyard up"),
        ({"MODELYARD_API_KEY": ""}, ("owner/talker", "Hi"), 2, "MODELYARD_API_KEY"),
        ({}, ("owner/talker", "Hi", "--temperature", "9"), 2, "temperature"),
    ],
)
def test_each_failure_has_its_exit_code_and_a_way_out(
    env: dict[str, str], changed: dict[str, str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    """4: no such model, 6: not let in, 10: nobody answers, 2: not set up or wrongly asked."""
    ended = _run(env | changed, "chat", *arguments)
    assert ended.returncode == code
    assert words in ended.stderr


def test_the_running_up_is_found_by_its_file(
    installation: Installation, gateway: GatewayProcess, env: dict[str, str]
) -> None:
    """Without settings the commands use the gateway and key that `up` left."""
    run = installation.settings.data_dir / "run"
    run.mkdir()
    facts = {"gateway_url": gateway.url, "admin_key": installation.admin}
    (run / "up.json").write_text(json.dumps(facts))
    bare = {k: v for k, v in env.items() if k not in {"MODELYARD_GATEWAY_URL", "MODELYARD_API_KEY"}}
    ended = _run(bare, "chat", "owner/talker", "Hello", "--max-tokens", "1")
    (run / "up.json").unlink()
    assert (ended.returncode, ended.stdout) == (0, "All\n")


def _check_only_todays_runs(env: dict[str, str], installation: Installation) -> None:
    board = RunBoard(installation.database)
    board.refuse("ingest", "owner/old", "no", visibility=Visibility.PUBLIC)
    with installation.database.begin() as session:
        session.execute(update(RunRow).values(updated_at=utc_now() - timedelta(days=2)))
    board.refuse("ingest", "owner/new", "no", visibility=Visibility.PUBLIC)
    seen = json.loads(_run(env, "status", "--json").stdout)
    assert [run["subject"] for run in seen["runs"]] == ["owner/new"]


_LOAD = """
import json, sys
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_registry_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/owner--talker@champion")
folder = mlflow.artifacts.download_artifacts("models:/owner--talker/1", dst_path=sys.argv[2])
print(json.dumps([folder, model.predict(["Hello", "Again"], params={"max_tokens": 3})]))
"""


def test_mlflow_s_clients_load_a_version(
    env: dict[str, str], installation: Installation, tmp_path: Path
) -> None:
    """Its files are copied out of the store, and a loaded model is answered by the gateway."""
    version = installation.filled.catalog.list()[0]
    with running_mlflow(tmp_path) as server:
        mlflow = MlflowRegistry(server.url)
        mlflow.set_alias(version.model, "champion", mlflow.register(version, {}, {}, {}))
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _LOAD, server.url, str(tmp_path / "copy")],
            env=env, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    folder, answers = json.loads(ended.stdout.splitlines()[-1])
    assert answers == ["All the world"] * 2
    for file in version.files:
        copy = Path(folder, file.path).read_bytes()
        assert hashlib.sha256(copy).hexdigest() == file.sha256


def test_status_shows_what_runs(env: dict[str, str], installation: Installation) -> None:
    """As tables, and as one document; 1 where the gateway is not ready."""
    ended = _run(env, "status")
    assert ended.returncode == 0
    assert "cpu-0" in ended.stdout
    assert "owner/talker@1" in ended.stdout
    seen = json.loads(_run(env, "status", "--json").stdout)
    assert seen["gateway"]["status"] == "ready"
    assert seen["devices"][0]["gpu_id"] == "cpu-0"
    assert seen["models"][0]["versions"][0]["engines"][0]["state"] == "ready"
    _check_only_todays_runs(env, installation)
    installation.fleet.remove_worker("cpu-0")  # the last of these tests: nothing answers any more
    deadline = time.monotonic() + 60
    while (code := _run(env, "status", "--json").returncode) == 0:
        assert time.monotonic() < deadline
    assert code == 1
