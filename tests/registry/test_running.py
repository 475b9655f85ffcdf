"""What a running `up` tells is read as it was written; whatever else is there tells nothing."""

import stat
from pathlib import Path

import pytest

from modelyard.registry.running import RunningUp, read_running, running_file, write_running

UP = RunningUp(
    gateway_url="http://127.0.0.1:8080", admin_key="my_key", pids={"up": 7}, demo_model="m"
)


def test_what_is_told_is_read(tmp_path: Path) -> None:
    """Every fact; a later one takes its place, and nobody else may read it."""
    for told in (RunningUp(), UP):
        write_running(running_file(tmp_path), told)
        assert read_running(tmp_path) == told
    assert stat.S_IMODE(running_file(tmp_path).stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["up.json"]


@pytest.mark.parametrize("content", [None, "", "half a d", "[]", "7"])
def test_what_is_broken_tells_nothing(tmp_path: Path, content: str | None) -> None:
    """As if none ran."""
    if content is not None:
        running_file(tmp_path).parent.mkdir()
        running_file(tmp_path).write_text(content)
    assert read_running(tmp_path) is None


def test_what_a_newer_version_tells_besides_is_left_out(tmp_path: Path) -> None:
    """A command of another version than `up` still finds its way."""
    write_running(running_file(tmp_path), UP)
    file = running_file(tmp_path)
    file.write_text(file.read_text().replace("{", '{"more": 1, ', 1))
    assert read_running(tmp_path) == UP


def test_no_key_is_shown() -> None:
    """Where it is printed by accident."""
    assert "my_key" not in repr(UP)
