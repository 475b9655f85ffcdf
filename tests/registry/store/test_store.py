"""What is put comes back whole under its hash, and what does not fit says so."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from modelyard.registry.errors import FileCorrupt, FileMissing, InvalidName, StorageFull
from modelyard.registry.store import Store

KB = 1000


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", 100 * KB)


def _visible(store: Store) -> list[str]:
    return sorted(p.name for p in (store.root / "objects").rglob("*") if p.is_file())


def _fill(store: Store, count: int, size: int = 10 * KB) -> list[str]:
    """Objects used one after the other, the first the longest ago."""
    hashes: list[str] = []
    for n in range(count):
        hashes.append(store.put([bytes([n]) * size]).sha256)
        os.utime(store.path(hashes[-1]), (1000 + n, 1000 + n))
    return hashes


def test_what_is_put_comes_back(store: Store, tmp_path: Path) -> None:
    """From chunks or from a file: the same content, once."""
    source = tmp_path / "source"
    source.write_bytes(b"abc" * 1000)
    from_chunks = store.put([b"abc"] * 1000)
    from_file = store.put(source, sha256=from_chunks.sha256)
    assert from_file == from_chunks
    assert from_file.sha256 == _sha(source.read_bytes())
    assert store.has(from_file.sha256)
    assert store.size(from_file.sha256) == from_file.size == 3000
    assert store.path(from_file.sha256).read_bytes() == source.read_bytes()
    assert store.usage() == 3000
    assert store.put([]).size == 0


def test_files_are_for_the_service_alone(store: Store) -> None:
    """Nobody else may read them, and nobody writes a finished one."""
    file = store.path(store.put([b"x"]).sha256)
    assert file.stat().st_mode & 0o777 == 0o400
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_nlink == 1


def test_a_wrong_hash_is_refused_and_leaves_nothing(store: Store, tmp_path: Path) -> None:
    """Neither from chunks nor by adoption; the adopted file stays where it was."""
    with pytest.raises(FileCorrupt, match=_sha(b"bad")[:12]):
        store.put([b"bad"], sha256=_sha(b"good"))
    part = store.incoming("url")
    part.write_bytes(b"bad")
    with pytest.raises(FileCorrupt):
        store.adopt(part, _sha(b"good"))
    assert part.exists()
    store.discard("url")
    store.discard("url")
    assert _visible(store) == []
    assert store.usage() == 0


def test_a_source_that_breaks_leaves_nothing(store: Store) -> None:
    """The error comes through, the draft goes."""

    def broken() -> Generator[bytes]:
        yield b"half"
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        store.put(broken())
    assert store.usage() == 0


def test_a_download_is_adopted_without_copying(store: Store) -> None:
    """The same file moves in; a second one of the same content goes away."""
    sha = _sha(b"model")
    part = store.incoming("https://hub/model?x=1")
    part.write_bytes(b"model")
    inode = part.stat().st_ino
    assert store.adopt(part, sha).size == 5
    assert store.path(sha).stat().st_ino == inode
    part.write_bytes(b"model")
    store.adopt(part, sha, verify=False)
    assert not part.exists()
    assert store.path(sha).stat().st_ino == inode
    assert store.usage() == 5


def test_downloads_under_way_survive_a_restart(store: Store) -> None:
    """The same key finds the same part; different keys never meet."""
    store.incoming("a").write_bytes(b"half")
    again = Store(store.root, store.max_bytes)
    again.sweep()
    assert again.incoming("a").read_bytes() == b"half"
    assert not again.incoming("b").exists()
    assert again.incoming("../../a").parent == again.incoming("a").parent


def test_a_download_nobody_touched_for_a_week_is_swept(store: Store) -> None:
    """Six days are not enough."""
    for key, days in (("old", 8), ("young", 6)):
        store.incoming(key).write_bytes(b"x")
        past = time.time() - days * 24 * 3600
        os.utime(store.incoming(key), (past, past))
    store.sweep()
    assert not store.incoming("old").exists()
    assert store.incoming("young").exists()


def test_unknown_files_and_odd_names_are_told_apart(store: Store) -> None:
    """What is not there is missing; what cannot be a hash is refused, paths above all."""
    for ask in (store.path, store.size, lambda sha: store.pin(sha, "me")):
        with pytest.raises(FileMissing, match=r"0000"):
            ask("0" * 64)
    assert not store.has("0" * 64)
    for name in ("../../etc/passwd", "A" * 64, "0" * 63, ""):
        with pytest.raises(InvalidName):
            store.path(name)


def test_the_least_recently_used_leave_first(store: Store) -> None:
    """Just as many as are needed; asking for the path counts as use."""
    first, second, third = _fill(store, 3)
    store.path(first)
    store.make_room(85 * KB)
    assert [store.has(sha) for sha in (first, second, third)] == [True, False, False]


def test_putting_keeps_the_bound_to_the_byte(store: Store) -> None:
    """The thirtieth of thirty fits because older ones left."""
    hashes = _fill(store, 30)
    assert store.usage() == 100 * KB
    assert [store.has(sha) for sha in hashes] == [False] * 20 + [True] * 10


def test_pinned_and_used_files_never_leave(store: Store) -> None:
    """Not for any need; once let go they do. A pin outlives the process, a use is of it."""
    pinned, used, *others = _fill(store, 10)
    store.pin(pinned, "version:1")
    store.pin(pinned, "version:2")
    with Store(store.root, store.max_bytes).use(used) as file:
        store.make_room(80 * KB)
        assert _visible(store) == sorted([pinned, used])
        with pytest.raises(StorageFull):
            store.make_room(81 * KB)
        assert not store.remove(used)
        assert file.exists()
    assert not any(store.has(sha) for sha in others)
    assert store.unpin("version:1") == [pinned]
    store.make_room(90 * KB)
    assert _visible(store) == [pinned]
    assert not store.remove(pinned)
    store.unpin("version:2")
    assert store.remove(pinned)
    assert not store.remove(pinned)


def test_nothing_leaves_for_what_can_never_fit(store: Store) -> None:
    """A refusal costs nobody a file, and names need, free space and bound."""
    hashes = _fill(store, 5)
    with pytest.raises(StorageFull, match=r"98\.6 KiB are needed.*free.*97\.7 KiB.*48\.8 KiB"):
        store.make_room(101 * KB)
    assert all(store.has(sha) for sha in hashes)


def test_downloads_and_scratch_count_toward_the_bound(store: Store) -> None:
    """What is on the disk is on the disk."""
    store.incoming("a").write_bytes(b"x" * 60 * KB)
    with store.scratch() as folder:
        (folder / "draft").write_bytes(b"x" * 30 * KB)
        (folder / "link").symlink_to(store.incoming("a"))
        assert 90 * KB <= store.usage() < 91 * KB
        with pytest.raises(StorageFull):
            store.make_room(11 * KB)
    store.make_room(40 * KB)


def test_a_full_disk_evicts_and_then_refuses(tmp_path: Path) -> None:
    """The volume's free space counts as well as the bound."""
    free = 5 * KB
    store = Store(tmp_path, 10**12, free_bytes=lambda _: free)
    hashes = _fill(store, 3)
    store.make_room(15 * KB)
    assert [store.has(sha) for sha in hashes] == [False, True, True]
    with pytest.raises(StorageFull, match=r"35\.2 KiB are needed.*4\.9 KiB free"):
        store.make_room(36 * KB)


def test_a_source_larger_than_the_store_stops_early(store: Store) -> None:
    """An endless source does not fill the disk."""
    taken: list[int] = []

    def endless() -> Generator[bytes]:
        while True:
            taken.append(10 * KB)
            yield b"x" * 10 * KB

    with pytest.raises(StorageFull):
        store.put(endless())
    assert sum(taken) <= 110 * KB
    assert store.usage() == 0


_PUT = """
import sys
from pathlib import Path
from modelyard.registry.errors import StorageFull
from modelyard.registry.store import Store
store = Store(Path(sys.argv[1]), 10**12)
kept = store.put([b"small"])
try:
    store.put(bytes(100_000) for _ in range(100))
except StorageFull as error:
    print("full:", error)
print(store.usage(), store.has(kept.sha256))
"""


def test_a_write_the_system_refuses_is_a_full_store(tmp_path: Path) -> None:
    """Here by a limit on file sizes; the draft goes, what was there stays."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    _full(tmp_path, limit)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_volume_is_a_full_store(tmp_path: Path) -> None:
    """A real one of a megabyte."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this root may not mount")
    try:
        _full(tmp_path, None)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def _full(root: Path, before: Callable[[], None] | None) -> None:
    child = subprocess.run(
        [sys.executable, "-c", _PUT, str(root)],
        preexec_fn=before,
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout.startswith("full:")
    assert child.stdout.endswith("5 True\n")
