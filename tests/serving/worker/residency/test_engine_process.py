"""An engine process starts once it answers, dies with a reason, and stops in time."""

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path

import aiohttp
import psutil
import pytest

from modelyard.serving.child_process import start_child
from modelyard.serving.engines.config import EngineConfig
from modelyard.serving.errors import ModelUnloadable
from modelyard.serving.worker.residency.engine_process import EngineCrashed, EngineStarter
from modelyard.serving.worker.residency.host_memory import private_memory
from tests.models.broken_llama import AT_LOAD, EVERY_PRODUCT, broken_llama
from tests.models.tiny import Tiny

CONFIG = EngineConfig(
    version_id="v1",
    model_name="owner/name@1",
    format="mock",
    path="/dev/null",
    internal_token="t" * 32,
    context_length=256,
    drain_s=1.0,
)


def shell(script: str, timeout_s: float = 60.0) -> EngineStarter:
    return EngineStarter(timeout_s, command=("sh", "-c", script))


def sleeping(seconds: str) -> list[psutil.Process]:
    """Those of our processes that sleep for so long; one that ends under our eyes does not."""
    found = list[psutil.Process]()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if seconds in process.cmdline():
                found.append(process)
    return found


async def test_a_started_engine_answers_and_stops() -> None:
    """Start returns where it answers and what it took; stop leaves no process."""
    engine = await EngineStarter(120.0).start(CONFIG)
    assert engine.ready.url.startswith("http://127.0.0.1:")
    assert engine.ready.memory_bytes > 0
    pid = engine.pid
    await engine.stop(60.0)
    assert not psutil.pid_exists(pid)


async def test_a_killed_engine_says_by_what() -> None:
    """The end of a running engine is told with the signal's name."""
    engine = await EngineStarter(120.0).start(CONFIG)
    os.kill(engine.pid, signal.SIGKILL)
    crash = await asyncio.wait_for(engine.ended(), 60.0)
    assert "owner/name@1 was ended by SIGKILL" in crash.message


async def test_a_library_that_dies_on_load_is_told_with_the_way_out(tmp_path: Path) -> None:
    """A llama.cpp that was built for another processor: the signal, what it means, what to do."""
    environment = {"LLAMA_CPP_LIB_PATH": str(broken_llama(tmp_path / "lib", AT_LOAD))}
    config = CONFIG.model_copy(
        update={"format": "gguf", "path": str(Tiny().write(tmp_path / "tiny.gguf"))}
    )
    with pytest.raises(EngineCrashed, match=r"ended by SIGILL .*processor refuses") as crashed:
        await EngineStarter(120.0, environment).start(config)
    assert "make setup" in crashed.value.fix


async def test_a_library_that_dies_at_work_is_told_with_the_way_out(tmp_path: Path) -> None:
    """It loads, and the first token kills it."""
    environment = {"LLAMA_CPP_LIB_PATH": str(broken_llama(tmp_path / "lib", EVERY_PRODUCT))}
    config = CONFIG.model_copy(
        update={"format": "gguf", "path": str(Tiny().write(tmp_path / "tiny.gguf"))}
    )
    engine = await EngineStarter(120.0, environment).start(config)
    headers = {"authorization": f"Bearer {CONFIG.internal_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        with suppress(aiohttp.ClientError):
            await session.post(f"{engine.ready.url}/v1/completions", json={"prompt": "Say"})
    crash = await asyncio.wait_for(engine.ended(), 60.0)
    assert "was ended by SIGILL" in crash.message
    assert "make setup" in crash.fix


async def test_a_crash_on_load_carries_the_last_words() -> None:
    """What the process printed last is part of the error."""
    with pytest.raises(EngineCrashed, match=r"ended with code 7.*out of luck"):
        await shell("echo 'out of luck' >&2; exit 7").start(CONFIG)


READY = {"url": "http://127.0.0.1:9", "slots": 1, "load_s": 0.0, "footprint": {}}
MIB = 1 << 20
GREEDY = f"""
import json, sys, time
sys.stdin.readline()
when = sys.argv[1]
if when == "loading":
    taken = b"x" * (300 << 20)
    time.sleep(60)
print(json.dumps({READY!r}), flush=True)
time.sleep(0.3)
if when == "running":
    taken = b"x" * (300 << 20)
time.sleep(60)
"""
"""An engine that takes 300 MiB of main memory, before or after it says that it is ready."""


@pytest.mark.parametrize("when", ["loading", "running"])
async def test_an_engine_over_its_bound_of_main_memory_is_ended(when: str) -> None:
    """As on a GPU, where the process cannot have a limit of its own: the worker sees it."""
    starter = EngineStarter(60.0, command=(sys.executable, "-c", GREEDY, when))
    config = CONFIG.model_copy(update={"host_memory_most": 150 * MIB})
    begun = time.monotonic()
    if when == "loading":
        with pytest.raises(EngineCrashed) as crashed:
            await starter.start(config)
        crash = crashed.value
    else:
        crash = await (await starter.start(config)).ended()
    assert "of main memory, more than the 150.0 MiB that it may" in crash.message
    assert time.monotonic() - begun < 30, "it would have slept for a minute"


async def test_weights_in_a_mapped_file_do_not_count(tmp_path: Path) -> None:
    """They are the file's pages, which the kernel takes back when it needs them."""
    file = tmp_path / "weights"
    file.write_bytes(bytes(200 * MIB))
    program = (
        "import mmap, sys\n"
        "file = open(sys.argv[1])\n"
        "m = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "sum(m[::4096]); print('read', flush=True); sys.stdin.read()"
    )
    child = await start_child(
        sys.executable, "-c", program, str(file), env=os.environ, stdin=PIPE, stdout=PIPE
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"read\n"
    assert psutil.Process(child.pid).memory_info().rss > 200 * MIB
    assert 0 < private_memory(child.pid) < 100 * MIB
    await child.communicate(b"")
    assert private_memory(child.pid) == 0


async def test_a_refusal_is_the_engines_own_error() -> None:
    """An error line becomes ModelUnloadable with its message and its way out."""
    refusal = json.dumps({"error": {"code": "x", "message": "No such head.", "fix": "Grow one."}})
    with pytest.raises(ModelUnloadable, match="No such head") as refused:
        await shell(f"echo noise; echo '{refusal}'; exit 3").start(CONFIG)
    assert refused.value.fix == "Grow one."


async def test_a_load_that_takes_too_long_is_ended() -> None:
    """After the timeout the child and its own children are gone, and the setting is named."""
    begun = time.monotonic()
    with pytest.raises(ModelUnloadable, match="not loaded within 0 s") as refused:
        await shell("sleep 601 & sleep 601", timeout_s=0.3).start(CONFIG)
    assert "MODELYARD_ENGINE_START_TIMEOUT_S" in refused.value.fix
    assert time.monotonic() - begun < 60
    assert not sleeping("601")


async def test_a_program_that_is_missing_is_a_crash() -> None:
    """The operating system's refusal to start a child is an error like another."""
    with pytest.raises(EngineCrashed, match="could not be started"):
        await EngineStarter(60.0, command=("no-such-program",)).start(CONFIG)


async def test_a_cancelled_start_leaves_no_child() -> None:
    """Whoever gives up waiting for a load ends it, and is not kept waiting itself."""
    starting = asyncio.create_task(shell("sleep 602").start(CONFIG))
    async with asyncio.timeout(60):
        while not sleeping("602"):
            await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(starting, 60)
    assert not sleeping("602")


async def test_an_engine_gets_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, tokens and database addresses stay out of a process that parses strangers' files."""
    monkeypatch.setenv("MODELYARD_SECRET_KEY", "s3cret" * 8)
    monkeypatch.setenv("HF_TOKEN", "hf_s3cret")
    engine = await EngineStarter(120.0, {"CUDA_VISIBLE_DEVICES": "GPU-1"}).start(CONFIG)
    seen = psutil.Process(engine.pid).environ()
    await engine.stop(60.0)
    assert not [name for name, value in seen.items() if "s3cret" in value]
    assert seen["CUDA_VISIBLE_DEVICES"] == "GPU-1"
