"""`modelyard requests` hands work in, shows it, waits for it and ends it."""

import signal
import subprocess
import uuid
from pathlib import Path

import psutil
import pytest

from modelyard.registry.console import out
from tests.serving.cli.shell import Shell
from tests.serving.processes import MODELYARD, environment, until
from tests.serving.reached import MODEL, SLOW, ReachedGateway

pytestmark = pytest.mark.slow(seconds=20)


def test_a_request_is_handed_in_shown_and_waited_for(
    remote: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the beginning of its id; its result is the answer's text, or all of it as JSON."""
    submitted = remote.run("requests", "submit", MODEL, "Hello", "--max-tokens", "4")
    assert (submitted.code, "modelyard requests wait" in submitted.said) == (0, True), submitted
    (listed, *_) = remote.run("requests", "list", "--json").json()
    short = listed["request_id"][:8]
    waited = remote.run("requests", "wait", short, "--json").json()
    assert (waited["status"], waited["request_id"]) == ("completed", listed["request_id"])
    text = waited["result"]["choices"][0]["message"]["content"]
    assert text in remote.run("requests", "wait", short, "--timeout", "60").said
    assert "completed" in remote.run("requests", "show", short).said
    monkeypatch.setattr(out, "_width", 80)
    table = remote.run("requests", "list", "--status", "completed", "--model", MODEL).said
    assert short in table
    assert max(map(len, table.splitlines())) <= 80


def test_a_payload_comes_from_a_file_or_standard_input(remote: Shell, tmp_path: Path) -> None:
    """What is no JSON object, or no payload at all, is refused here (2)."""
    file = tmp_path / "body.json"
    file.write_text('{"prompt": "Hello"}')
    words = ("requests", "submit", MODEL, "--max-tokens", "3", "--wait", "--json")
    for more, typed in (((str(file),), ""), (("-",), file.read_text())):
        ended = remote.run(*words, "--payload", *more, typed=typed).json()
        assert ended["result"]["usage"]["completion_tokens"] == 3
    assert remote.run("requests", "submit", MODEL).code == 2
    assert remote.run("requests", "submit", MODEL, "Hello", "--type", "rerank").code == 2
    for broken in ("no JSON", "[]"):
        file.write_text(broken)
        assert remote.run("requests", "submit", MODEL, "--payload", str(file)).code == 2


def test_what_goes_on_is_cancelled(remote: Shell) -> None:
    """Once (5 after that); who waits for it is told that it has no result (1)."""
    words = ("requests", "submit", SLOW, "Hello", "--max-tokens", "1000", "--json")
    request_id = remote.run(*words).json()["request_id"]
    assert remote.run("requests", "wait", request_id, "--timeout", "0").code == 124
    waiting = remote.run("requests", "queue", "--json").json()
    assert [line["model_id"] for line in waiting] == [SLOW]
    assert SLOW in remote.run("requests", "queue").said
    assert remote.run("requests", "cancel", request_id).code == 0
    assert remote.run("requests", "cancel", request_id).code == 5
    ended = remote.run("requests", "wait", request_id)
    assert (ended.code, "cancelled" in ended.said) == (1, True)


def test_the_same_id_is_the_same_request(remote: Shell) -> None:
    """With other words it is a conflict (5); an id that nothing has is unknown (4)."""
    words = ("requests", "submit", MODEL, "--id", str(uuid.uuid4()), "--wait", "--json")
    first, second = (remote.run(*words, "Hello").json() for _ in range(2))
    assert first == second
    assert remote.run(*words, "Good bye").code == 5
    assert remote.run("requests", "show", "zzz").code == 4
    assert remote.run("requests", "show", str(uuid.uuid4())).code == 4


def test_ctrl_c_ends_the_waiting_alone(
    remote: Shell, reached: ReachedGateway, tmp_path: Path
) -> None:
    """And says how to wait again."""
    there = environment(tmp_path / "elsewhere") | {
        "MODELYARD_GATEWAY_URL": reached.url,
        "MODELYARD_API_KEY": reached.ada,
    }
    del there["MODELYARD_DATA_DIR"], there["MODELYARD_DATABASE_URL"]
    words = ("requests", "submit", SLOW, "Hello", "--max-tokens", "1000", "--json")
    request_id = remote.run(*words).json()["request_id"]
    with subprocess.Popen(
        [*MODELYARD, "requests", "wait", request_id, "--timeout", "600"],
        env=there, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        _once_it_waits(process.pid, reached.url)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    said = " ".join(errors.split())
    assert (process.returncode, f"requests wait {request_id}" in said) == (130, True), said
    assert remote.run("requests", "cancel", request_id).code == 0


def _once_it_waits(pid: int, url: str) -> None:
    """Until a process has a connection to the gateway."""
    port = int(url.rpartition(":")[2])
    mine = psutil.Process(pid)
    until(lambda: any(c.raddr and c.raddr.port == port for c in mine.net_connections()))
