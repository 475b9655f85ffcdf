"""kill -9 at any moment, and processes sharing one store: nothing half, nothing lost."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelyard.registry.errors import FileMissing
from modelyard.registry.store import Store
from modelyard.registry.store.leases import FOREIGN_LIFE_S, Leases

_WRITE = """
import random, sys
from pathlib import Path
from modelyard.registry.store import Store
store, n = Store(Path(sys.argv[1]), 50_000_000), int(sys.argv[2])
print("go", flush=True)
while True:
    n += 1
    data = random.Random(n % 40).randbytes(1_000_000)
    if n % 2:
        store.put(data[i : i + 50_000] for i in range(0, len(data), 50_000))
    else:
        part = store.incoming(str(n))
        part.write_bytes(data)
        import hashlib
        store.adopt(part, hashlib.sha256(data).hexdigest())
"""

_SHARE = """
import hashlib, random, sys, time
from pathlib import Path
from modelyard.registry.errors import FileMissing
from modelyard.registry.store import Store
store, seed = Store(Path(sys.argv[1]), 310_000), int(sys.argv[2])
files = [random.Random(n).randbytes(100_000) for n in range(8)]
draw, until, counts = random.Random(seed), time.monotonic() + float(sys.argv[3]), [0, 0]
while time.monotonic() < until or min(counts) <= 20:
    data = draw.choice(files)
    sha = hashlib.sha256(data).hexdigest()
    try:
        with store.use(sha) as file:
            time.sleep(draw.random() / 100)
            assert file.read_bytes() == data
            counts[0] += 1
    except FileMissing:
        store.put([data])
        counts[1] += 1
print(*counts)
"""

_HOLD = """
import sys
from pathlib import Path
from modelyard.registry.store import Store
store = Store(Path(sys.argv[1]), 1000)
with store.scratch() as folder, store.use(sys.argv[2]):
    (folder / "half").write_bytes(b"x" * 400)
    print(folder, flush=True)
    sys.stdin.readline()
"""


def _start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _kill(child: "subprocess.Popen[str]") -> None:
    child.kill()
    child.communicate()


def test_a_killed_writer_never_leaves_a_visible_half_file(tmp_path: Path, full_length: int) -> None:
    """Kills at random moments: every visible file is what its name says, the rest is swept."""
    draw = random.Random(7)
    files = list[Path]()
    for attempt in range(10 * full_length):
        child = _start(_WRITE, tmp_path, attempt * 1000)
        assert child.stdout
        assert child.stdout.readline() == "go\n"
        while not (files or [*(tmp_path / "objects").glob("*/*")]):
            time.sleep(0.01)  # on a slow machine the first file takes its time
        time.sleep(draw.random() * 0.15)
        _kill(child)
        files = [p for p in (tmp_path / "objects").rglob("*") if p.is_file()]
        for file in files:
            assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name
        Store(tmp_path, 50_000_000).make_room(0)
        assert list((tmp_path / "scratch").iterdir()) == []
    assert files


def test_two_processes_evicting_and_using_lose_nothing(tmp_path: Path, full_length: int) -> None:
    """Room for three files of eight, both taking and replacing: no file leaves while in use."""
    children = [_start(_SHARE, tmp_path, seed, 2.5 * full_length) for seed in (1, 2)]
    results = [child.communicate(timeout=240 + 5 * full_length)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    for result in results:
        used, put = map(int, result.split())
        assert used > 20
        assert put > 20
    assert Store(tmp_path, 310_000).usage() <= 310_000


def test_the_dead_hold_nothing_and_the_frozen_do(tmp_path: Path) -> None:
    """A stopped process still uses its file; once killed, file and scratch are free at once."""
    store = Store(tmp_path, 1000)
    sha = store.put([b"x" * 500]).sha256
    child = _start(_HOLD, tmp_path, sha)
    assert child.stdout
    folder = Path(child.stdout.readline().strip())
    child.send_signal(signal.SIGSTOP)
    store.sweep()
    assert folder.exists()
    assert not store.remove(sha)
    _kill(child)
    store.sweep()
    assert not folder.exists()
    assert store.usage() == 500
    assert store.remove(sha)


def test_another_machines_lease_counts_while_it_is_fresh(tmp_path: Path) -> None:
    """Its locks cannot be seen from here, its touches can."""
    store = Store(tmp_path, 1000)
    sha = store.put([b"x"]).sha256
    lease = tmp_path / "leases" / f"{sha}.another-machine.00"
    lease.touch()
    assert not store.remove(sha)
    old = time.time() - FOREIGN_LIFE_S - 5
    os.utime(lease, (old, old))
    assert store.remove(sha)
    assert not lease.exists()


def test_a_held_lease_is_kept_fresh(tmp_path: Path) -> None:
    """For the machines that only see its age."""
    lease = Leases(tmp_path, refresh_s=0.01).take("subject")
    os.utime(lease.file, (0, 0))
    until = time.monotonic() + 60
    while lease.file.stat().st_mtime < 1:
        assert time.monotonic() < until
        time.sleep(0.01)
    lease.end()
    assert [*tmp_path.iterdir()] == []


def test_a_file_in_use_is_leased_until_its_use_ends(tmp_path: Path) -> None:
    """What nobody holds may leave the store."""
    store = Store(tmp_path, 1000)
    sha = store.put([b"x"]).sha256
    with store.use(sha):
        assert len([*(tmp_path / "leases").glob(f"{sha}.*")]) == 1
    assert [*(tmp_path / "leases").glob(f"{sha}.*")] == []


def test_use_of_an_evicted_file_says_so(tmp_path: Path) -> None:
    """It never hands out a path that is gone."""
    store = Store(tmp_path, 1000)
    sha = store.put([b"x"]).sha256
    shutil.rmtree(tmp_path / "objects" / sha[:2])
    with pytest.raises(FileMissing), store.use(sha):
        pass
