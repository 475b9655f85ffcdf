"""An engine process says one line, drains on SIGTERM and never outlives its parent."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.serving.engines.processes import SERVER, config, engine_process, refusal


def test_the_ready_line_says_where_it_answers() -> None:
    """One JSON line with the address, the time to load and the memory taken."""
    with engine_process() as engine:
        assert engine.ready["url"].startswith("http://127.0.0.1:")
        assert engine.ready["load_s"] >= 0
        assert engine.ready["memory_bytes"] > 10_000_000
        with engine.http() as http:
            assert http.get("/health").json() == {"status": "ready", "version_id": "version-1"}


def test_sigterm_finishes_what_runs() -> None:
    """A stream that is under way when SIGTERM comes is answered whole; then the process ends."""
    with engine_process(options={"delay_s": 0.05}, drain_s=120) as engine:
        stream = engine.client().chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], max_tokens=14, stream=True
        )
        texts = [next(stream).choices[0].delta.content]
        engine.process.send_signal(signal.SIGTERM)
        chunks = list(stream)
        texts += [c.choices[0].delta.content or "" for c in chunks]
        assert "".join(t or "" for t in texts).endswith("players")
        assert chunks[-1].choices[0].finish_reason == "length"
        assert engine.process.wait(60) == 0


def test_it_ends_when_standard_input_closes() -> None:
    """A worker that lets go of the pipe ends its engine at once."""
    with engine_process() as engine:
        assert engine.process.stdin is not None
        engine.process.stdin.close()
        assert engine.process.wait(60) == 0


def test_kill_9_of_the_parent_takes_the_engine_along(tmp_path: Path) -> None:
    """An engine whose worker was killed hard ends by itself."""
    script = (
        "import json, subprocess, sys, time\n"
        "PIPE = subprocess.PIPE\n"
        f"p = subprocess.Popen({SERVER!r}, stdin=PIPE, stdout=PIPE, text=True)\n"
        f"p.stdin.write({json.dumps(config()) + chr(10)!r}); p.stdin.flush()\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as p:
        assert p.stdout is not None
        pid = int(p.stdout.readline())
        assert psutil.pid_exists(pid)
        os.kill(p.pid, signal.SIGKILL)
        p.wait(60)
    _wait_until_gone(pid)


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "the engine outlived its parent"
            time.sleep(0.02)


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("", "engine_config_invalid", "JSON"),
        ("{}", "engine_config_invalid", "version_id"),
        (json.dumps(config(parallel=0)), "engine_config_invalid", "parallel"),
        (json.dumps(config(format="exe")), "model_unloadable", "'exe'"),
        (json.dumps(config(format="gguf", path="/nowhere.gguf")), "model_unloadable", "nowhere"),
    ],
)
def test_a_bad_setting_is_one_line_and_exit_3(line: str, code: str, says: str) -> None:
    """What cannot start says why as JSON, for the worker to keep as the reason."""
    status, answer = refusal(line)
    assert status == 3
    assert answer["error"]["code"] == code
    assert says in answer["error"]["message"]


def test_a_truncated_model_is_one_line_and_exit_3(tiny_f32: Path, tmp_path: Path) -> None:
    """A GGUF file that was cut off is refused before llama.cpp sees it."""
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny_f32.read_bytes()[:-400_000])
    status, answer = refusal(json.dumps(config(format="gguf", path=str(cut))))
    assert status == 3
    assert "cut off" in answer["error"]["message"]


def test_a_context_longer_than_the_models_is_refused(tiny_f32: Path) -> None:
    """A context that the model was not trained for is an error with both numbers."""
    asked = config(format="gguf", path=str(tiny_f32), context_length=4096)
    status, answer = refusal(json.dumps(asked))
    assert status == 3
    assert "4096" in answer["error"]["message"]
    assert "2048" in answer["error"]["message"]
