"""A lock has one holder, thread or process, and dies with it."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from modelyard.registry.locks import exclusive, is_free, remove_free

_HOLD = """
import sys
from pathlib import Path
from modelyard.registry.locks import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_threads_take_turns(tmp_path: Path) -> None:
    """Never two inside at once."""
    inside = [0]
    most = [0]

    def enter() -> None:
        with exclusive(tmp_path / "lock"):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.005)
            inside[0] -= 1

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    """A kill frees it at once; a lock file that never was is free."""
    lock = tmp_path / "lock"
    assert is_free(lock)
    pipe = subprocess.PIPE
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, lock], stdin=pipe, stdout=pipe)
    assert holder.stdout
    assert holder.stdout.readline() == b"held\n"
    assert not is_free(lock)
    holder.kill()
    holder.communicate()
    assert is_free(lock)
    with exclusive(lock):
        assert not is_free(lock)
    assert is_free(lock)


def test_a_lock_file_may_be_removed_while_others_wait_for_it(tmp_path: Path) -> None:
    """Not while it is held; and who waited for the removed file does not hold it beside others."""
    lock = tmp_path / "lock"
    inside: list[int] = []
    most: list[int] = []

    def enter(_: int) -> None:
        for _ in range(50):
            with exclusive(lock):
                inside.append(1)
                most.append(len(inside))
                assert not remove_free(lock)
                inside.pop()
            remove_free(lock)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enter, range(4)))
    assert set(most) == {1}
    assert remove_free(lock)
    assert not lock.exists()
