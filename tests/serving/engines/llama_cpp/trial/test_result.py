"""A trial is remembered for as long as library and processor stay the same."""

import json
from pathlib import Path

import pytest

from modelyard.serving.engines.llama_cpp.trial.result import FILE, library_folder, tried
from tests.models.broken_llama import KERNELS, broken_llama


def remembered(folder: Path) -> int:
    """When the file was written that remembers, which a trial writes anew."""
    return (folder / FILE).stat().st_mtime_ns


def test_a_trial_is_made_once(tmp_path: Path) -> None:
    """The second time its result is read."""
    first = tried(tmp_path)
    when = remembered(tmp_path)
    assert tried(tmp_path) == first
    assert remembered(tmp_path) == when


def test_another_library_is_tried_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is put in the place of another, or named instead of it."""
    assert tried(tmp_path).works
    broken = broken_llama(tmp_path / "lib", KERNELS.format("q4_K"))
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(broken))
    assert library_folder() == broken
    assert "Q4_K_M" in tried(tmp_path).faults


def test_another_processor_is_tried_anew(tmp_path: Path) -> None:
    """A data folder, or an environment, that has come from another machine."""
    tried(tmp_path)
    known = json.loads((tmp_path / FILE).read_text())
    known["of"][0] = "another"
    known["faults"] = {"Q8_0": "SIGILL"}
    (tmp_path / FILE).write_text(json.dumps(known))
    assert tried(tmp_path).works


def test_a_damaged_memory_is_none(tmp_path: Path) -> None:
    """It is tried again, not failed upon."""
    (tmp_path / FILE).write_text('{"of": [')
    assert tried(tmp_path).works


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    """The trial is made, and made again the next time."""
    assert tried(tmp_path / "none").works
    assert [*tmp_path.iterdir()] == []
