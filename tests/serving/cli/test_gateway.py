"""`modelyard gateway`: how it starts, what it weighs, what it says when it cannot."""

import os
import pty
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.serving.processes import MODELYARD, environment, gateway_process

HEAVY = (
    "gguf", "huggingface_hub", "llama_cpp", "mlflow", "numpy", "onnxruntime", "pandas", "prefect",
    "qdrant_client", "qdrant_edge", "streamlit", "torch", "transformers",
)  # fmt: skip
"""What the gateway must start without, installed or not."""

LOADED = """
import sys
from modelyard.serving.cli.main import build
build()
from modelyard.serving.asgi import create_app
from asgi_lifespan import LifespanManager
import asyncio
async def start():
    async with LifespanManager(create_app()):
        print(*sorted({name.partition(".")[0] for name in sys.modules}))
asyncio.run(start())
"""


@pytest.mark.slow
def test_the_gateway_alone_is_light(tmp_path: Path) -> None:
    """At most 120 MB, and a few seconds of a processor's time."""
    env = environment(tmp_path)
    with gateway_process(env, tmp_path):
        pass  # the first start makes the database
    with gateway_process(env, tmp_path) as gateway:
        process = psutil.Process(gateway.process.pid)
        weight = process.memory_info().rss
        worked = process.cpu_times()
        print(f"gateway: {gateway.started_s:.2f} s, {weight / 1e6:.0f} MB")
        assert weight <= 120e6
        assert worked.user + worked.system < 15
        gateway.process.terminate()
        gateway.process.wait(60)


def test_no_heavy_library_is_loaded(tmp_path: Path) -> None:
    """Commands, application and lifespan need none of them."""
    ended = subprocess.run(
        [sys.executable, "-c", LOADED],
        env=environment(tmp_path), capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert not set(HEAVY) & set(ended.stdout.split())


def test_the_first_start_keeps_the_admin_s_key_out_of_the_log(tmp_path: Path) -> None:
    """It lies in a file of this user alone, which a second start does not write again."""
    env = environment(tmp_path)
    file = tmp_path / "admin.key"
    with gateway_process(env, tmp_path) as gateway:
        key = file.read_text().strip()
        assert file.stat().st_mode & 0o777 == 0o600
        file.unlink()
        gateway.process.terminate()
        said = gateway.process.communicate(timeout=60)[1]
        assert str(file) in said
        assert "my_" not in said
    with gateway_process(env, tmp_path) as gateway:
        with gateway.http(key) as http:
            assert http.get("/api/v1/me").json()["name"] == "admin"
        gateway.process.terminate()
        gateway.process.wait(60)
        assert gateway.process.returncode == 0
    assert not file.exists()


def test_the_first_start_shows_the_key_to_the_person_at_the_terminal(tmp_path: Path) -> None:
    """And writes no file."""
    ours, theirs = pty.openpty()
    env = environment(tmp_path)
    with subprocess.Popen(
        [*MODELYARD, "gateway", "--port", "0"], env=env, stdout=theirs, stderr=theirs
    ) as process:
        said = b""
        while b"Gateway on" not in said:
            said += os.read(ours, 4096)
        process.terminate()
    os.close(ours)
    os.close(theirs)
    assert b"my_" in said
    assert not (tmp_path / "admin.key").exists()


def test_a_taken_port_costs_nobody_the_first_key(tmp_path: Path) -> None:
    """It is made after the port is held."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in ("gateway", "up"):
            assert _run(tmp_path, command, "--port", port).returncode == 9
    assert not (tmp_path / "admin.key").exists()


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    """Exit code 9, the port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = _run(tmp_path, "gateway", "--port", port)
    assert ended.returncode == 9
    assert port in ended.stderr
    assert "--port" in ended.stderr


def test_an_address_that_is_not_ours_is_named(tmp_path: Path) -> None:
    """The same for an address of another machine."""
    ended = _run(tmp_path, "gateway", "--host", "192.0.2.1", "--port", "0")
    assert ended.returncode == 9
    assert "192.0.2.1" in ended.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    """Exit code 2 with variable and value."""
    ended = _run(tmp_path, "gateway", MODELYARD_ANSWER_TIMEOUT_S="soon")
    assert ended.returncode == 2
    assert "MODELYARD_ANSWER_TIMEOUT_S='soon'" in ended.stderr


def _run(data: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MODELYARD, *arguments],
        env=environment(data) | settings | {"COLUMNS": "200"},
        cwd=os.fspath(data), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
