"""A container's limits count, not the machine they are set on."""

from pathlib import Path

import psutil

from modelyard.serving.worker.devices import machine

GIB = 1 << 30


def test_without_a_limit_the_machine_is_ours(tmp_path: Path) -> None:
    """No cgroup file, or `max`, means all of it."""
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.memory(tmp_path).total == psutil.virtual_memory().total
    assert machine.cores(tmp_path) == machine.cores(tmp_path / "none") >= 1


def test_a_memory_limit_counts_and_its_file_cache_is_free(tmp_path: Path) -> None:
    """Free is the limit less what cannot be reclaimed."""
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    (tmp_path / "memory.current").write_text(f"{3 * GIB // 4}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {GIB // 4}\n")
    assert machine.memory(tmp_path) == machine.Memory(total=GIB, free=GIB // 2)


def test_a_share_of_a_core_is_still_one(tmp_path: Path) -> None:
    """Half a core rounds to one, never to none."""
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert machine.cores(tmp_path) == 1
