"""`modelyard batches` hands files of requests in, waits for them and prints their answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelyard.registry.console import out
from tests.serving.cli.shell import Shell
from tests.serving.reached import LONG, MODEL, SAID, SLOW

pytestmark = pytest.mark.slow(seconds=15)
URL = "/v1/chat/completions"


def written(folder: Path, model: str, said: dict[str, Any]) -> str:
    file = folder / "requests.jsonl"
    lines = [
        {"custom_id": str(n), "method": "POST", "url": URL, "body": {"model": model, **said}}
        for n in range(2)
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    return str(file)


def test_a_file_of_requests_is_done(
    remote: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answers are lines of JSON; the table fits a terminal."""
    ended = remote.run("batches", "create", written(tmp_path, MODEL, SAID), "--wait")
    assert (ended.code, "completed, 2 of 2" in ended.said) == (0, True), ended
    (batch, *_) = remote.run("batches", "list", "--json").json()
    answers = remote.run("batches", "output", batch["id"]).said.splitlines()
    assert {json.loads(line)["custom_id"] for line in answers} == {"0", "1"}
    assert remote.run("batches", "output", batch["id"], "--errors").said == ""
    assert "completed" in remote.run("batches", "show", batch["id"]).said
    assert remote.run("batches", "wait", batch["id"], "--json").json()["status"] == "completed"
    monkeypatch.setattr(out, "_width", 80)
    table = remote.run("batches", "list").said
    assert batch["id"] in table
    assert max(map(len, table.splitlines())) <= 80


def test_a_batch_is_cancelled(remote: Shell, tmp_path: Path) -> None:
    """Who waits for it is told that it is not completed (1)."""
    file = written(tmp_path, SLOW, LONG)
    batch = remote.run("batches", "create", file, "--json").json()
    assert "batches wait" in remote.run("batches", "create", file).said
    for each in remote.run("batches", "list", "--json").json():
        if each["status"] != "completed":
            assert remote.run("batches", "cancel", each["id"]).code == 0
    assert remote.run("batches", "wait", batch["id"]).code == 1
    assert remote.run("batches", "show", "batch_none").code == 4


def test_a_file_that_is_wrong_fails_with_the_line(remote: Shell, tmp_path: Path) -> None:
    """What is not there is told without asking the gateway (9)."""
    file = tmp_path / "broken.jsonl"
    file.write_text('{"custom_id": "1"}\n')
    refused = remote.run("batches", "create", str(file), "--wait")
    assert refused.code in {1, 2}, refused
    with pytest.raises(FileNotFoundError):
        remote.run("batches", "create", str(tmp_path / "none"))
