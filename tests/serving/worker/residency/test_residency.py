"""Versions are loaded once, live side by side within memory, come back, and are given up."""

import asyncio
import os
import signal
import sys
import time

import aiohttp
import psutil
import pytest

from modelyard.registry.catalog.model import ModelRef
from modelyard.registry.errors import FileMissing, StorageFull, UnknownModel
from modelyard.registry.fleet.fleet import EngineState
from modelyard.registry.store import Store
from modelyard.serving.errors import EngineDraining
from modelyard.serving.worker.residency.engine_process import EngineCrashed
from modelyard.serving.worker.residency.eviction import (
    ATTEMPTS,
    DeviceFull,
    DoesNotFit,
    restart_delay,
)
from modelyard.serving.worker.residency.residency import DeviceFailed
from modelyard.serving.worker.residency.resident import (
    JUST_ASKED_S,
    Quarantined,
    Resident,
    Unloaded,
)
from modelyard.serving.worker.residency.watchdog import WatchdogLimits
from tests.serving.worker.filled_catalog import FilledCatalog
from tests.serving.worker.residency_harness import MIB, ResidencyHarness, open_harness


def url_of(resident: Resident) -> str:
    assert resident.process is not None
    return resident.process.ready.url


def pid_of(resident: Resident) -> int:
    assert resident.process is not None
    return resident.process.pid


async def test_twenty_who_ask_at_once_cause_one_load(catalog_files: FilledCatalog) -> None:
    """All wait for the same engine, whose memory is limited, and get the same address."""
    version = catalog_files.add("a/one")
    async with open_harness(catalog_files) as harness:
        loaded = await asyncio.gather(*(harness.residency.ensure(version.id) for _ in range(20)))
        assert len({url_of(r) for r in loaded}) == 1
        (engine,) = harness.engines()
        expected = loaded[0].need
        assert expected < engine.rlimit(psutil.RLIMIT_DATA)[0] < 2 * expected + 2048 * MIB


async def test_a_killed_engine_comes_back_and_the_others_stream_on(
    catalog_files: FilledCatalog,
) -> None:
    """Kill -9 of one: its row says why, it is ready again; the other's stream goes on through."""
    sick = catalog_files.add("a/sick")
    well = catalog_files.add("a/well", delay_s=0.2)
    async with open_harness(catalog_files) as harness:
        first, other = await asyncio.gather(*map(harness.residency.ensure, (sick.id, well.id)))
        async with harness.listening(url_of(other)) as goes_on:
            before = pid_of(first)
            os.kill(before, signal.SIGKILL)
            await harness.until(lambda: first.state is EngineState.LOADING)
            view = next(v for v in harness.residency.views() if v.version_id == sick.id)
            assert "SIGKILL" in view.error
            await goes_on()
            assert pid_of(await harness.residency.ensure(sick.id)) != before
            await goes_on()
        assert (first.restarts, other.restarts) == (1, 0)


async def test_an_engine_that_dies_again_and_again_is_restarted_ever_more_slowly(
    catalog_files: FilledCatalog,
) -> None:
    """Each death soon after the last doubles the delay; no death is a quarantine."""
    delays = list[float]()

    def noted(failures: int, chance: float) -> float:
        delays.append(restart_delay(failures, chance))
        return delays[-1]

    version = catalog_files.add("a/fragile")
    async with open_harness(catalog_files, delay=noted) as harness:
        resident = await harness.residency.ensure(version.id)
        for _ in range(3):
            begun = time.monotonic()
            os.kill(pid_of(resident), signal.SIGKILL)
            await harness.until(lambda: resident.process is None)
            await harness.residency.ensure(version.id)
            assert time.monotonic() - begun >= delays[-1]
        assert resident.restarts == len(delays) == 3
        assert delays[2] >= 2 * delays[0]


async def test_a_version_that_crashes_on_load_is_quarantined_with_the_reason(
    catalog_files: FilledCatalog,
) -> None:
    """Three crashes are enough: then asks are refused at once, with the process's last words."""
    version = catalog_files.add("a/broken", no_such_option=1)
    async with open_harness(catalog_files) as harness:
        with pytest.raises(Quarantined, match="no_such_option"):
            await harness.residency.ensure(version.id)
        (resident,) = harness.residency.residents
        begun = resident.restarts
        with pytest.raises(Quarantined, match="asked for again in"):
            await harness.residency.ensure(version.id)
        assert (resident.restarts, resident.process) == (begun, None)
        (view,) = harness.residency.views()
        assert (view.state, view.memory_bytes) == (EngineState.FAILED, 0)
        assert "no_such_option" in view.error


async def test_unloading_ends_a_quarantine(catalog_files: FilledCatalog) -> None:
    """After DELETE the next ask really tries again."""
    version = catalog_files.add("a/broken", no_such_option=1)
    async with open_harness(catalog_files) as harness:
        with pytest.raises(Quarantined):
            await harness.residency.ensure(version.id)
        await harness.residency.unload(version.id)
        assert harness.residency.views() == []
        with pytest.raises(Quarantined):
            await harness.residency.ensure(version.id)
        (again,) = harness.residency.residents
        assert again.failures.count == ATTEMPTS


async def test_a_version_that_could_never_fit_is_refused_with_numbers(
    catalog_files: FilledCatalog,
) -> None:
    """No process is started, and the message says need, free and total."""
    version = catalog_files.add("a/huge")
    async with open_harness(catalog_files, memory=8 * MIB) as harness:
        with pytest.raises(DoesNotFit, match=r"a/huge@1 needs \d+\.\d MiB.*8\.0 MiB in all"):
            await harness.residency.ensure(version.id)
        assert not harness.engines()


async def fill(
    harness: ResidencyHarness, catalog_files: FilledCatalog
) -> tuple[Resident, Resident]:
    """Two engines on a device that is then shrunk until a third does not fit beside them."""
    first = await harness.residency.ensure(catalog_files.add("a/first", delay_s=0.2).id)
    second = await harness.residency.ensure(catalog_files.add("a/second", delay_s=0.2).id)
    harness.device.memory = int((first.memory + second.memory + 8 * MIB) / 0.9)
    return first, second


async def test_the_least_recently_used_idle_version_makes_room(
    catalog_files: FilledCatalog,
) -> None:
    """The older of two idle versions leaves; its process is gone before the new one loads."""
    async with open_harness(catalog_files) as harness:
        first, second = await fill(harness, catalog_files)
        gone = pid_of(first)
        await harness.residency.ensure(catalog_files.add("a/third").id)
        assert not psutil.pid_exists(gone)
        loaded = {view.version_id for view in harness.residency.views()}
        assert second.config.version_id in loaded
        assert first.config.version_id not in loaded


async def test_a_version_that_is_kept_warm_stays_while_another_can_leave(
    catalog_files: FilledCatalog,
) -> None:
    """The older one is a rollout's way back, so the newer one makes room."""
    async with open_harness(catalog_files) as harness:
        first, second = await fill(harness, catalog_files)
        harness.residency.keep({first.config.version_id})
        await asyncio.sleep(JUST_ASKED_S + 0.1)  # until then the newer one counts as busy
        await harness.residency.ensure(catalog_files.add("a/third").id)
        loaded = {view.version_id for view in harness.residency.views()}
        assert first.config.version_id in loaded
        assert second.config.version_id not in loaded


async def test_the_version_that_another_comes_beside_stays(catalog_files: FilledCatalog) -> None:
    """Idle and longest unused: it is a promotion's present, so the other one makes room."""
    async with open_harness(catalog_files) as harness:
        first, second = await fill(harness, catalog_files)
        beside = first.config.version_id
        await harness.residency.ensure(catalog_files.add("a/third").id, beside)
        loaded = {view.version_id for view in harness.residency.views()}
        assert beside in loaded
        assert second.config.version_id not in loaded


async def test_a_busy_version_is_never_evicted(catalog_files: FilledCatalog) -> None:
    """The least recently used one streams, so the other leaves, and the stream goes on."""
    async with open_harness(catalog_files) as harness:
        first, second = await fill(harness, catalog_files)
        async with harness.listening(url_of(first)) as goes_on:
            gone = pid_of(second)
            await harness.residency.ensure(catalog_files.add("a/third").id)
            assert not psutil.pid_exists(gone)
            await goes_on()


async def test_where_all_are_busy_the_newcomer_is_refused(catalog_files: FilledCatalog) -> None:
    """Nobody at work is ended for it; the error says that waiting helps."""
    async with open_harness(catalog_files, patience_s=0.5) as harness:
        first, second = await fill(harness, catalog_files)
        async with (
            harness.listening(url_of(first)) as first_goes_on,
            harness.listening(url_of(second)) as second_goes_on,
        ):
            with pytest.raises(DeviceFull, match="at work"):
                await harness.residency.ensure(catalog_files.add("a/third").id)
            await asyncio.gather(first_goes_on(), second_goes_on())


async def test_a_file_that_is_not_in_the_store_is_named(catalog_files: FilledCatalog) -> None:
    """The error names the version and how to get its file."""
    version = catalog_files.add("a/lost")
    catalog_files.store.path(version.main.sha256).unlink()
    async with open_harness(catalog_files) as harness:
        with pytest.raises(FileMissing, match="a/lost@1") as missing:
            await harness.residency.ensure(version.id)
        assert "modelyard models add" in missing.value.fix


async def test_an_unknown_version_is_an_error(catalog_files: FilledCatalog) -> None:
    """An id nobody registered is told as such."""
    async with open_harness(catalog_files) as harness:
        with pytest.raises(UnknownModel):
            await harness.residency.ensure("nope")


async def test_a_loaded_version_keeps_its_file_in_the_store(catalog_files: FilledCatalog) -> None:
    """While an engine has a file open the store may not evict it; afterwards it may."""
    version = catalog_files.add("a/held")
    async with open_harness(catalog_files) as harness:
        tight = Store(catalog_files.store.root, max_bytes=version.size)
        await harness.residency.ensure(version.id)
        with pytest.raises(StorageFull):
            tight.make_room(1)
        await harness.residency.unload(version.id)
        tight.make_room(1)
        assert not tight.has(version.main.sha256)


async def test_a_device_in_error_takes_nothing_new(catalog_files: FilledCatalog) -> None:
    """The reason stands in the refusal."""
    async with open_harness(catalog_files) as harness:
        harness.device.reason = "GPU is lost"
        with pytest.raises(DeviceFailed, match="GPU is lost"):
            await harness.residency.ensure(catalog_files.add("a/one").id)


async def test_unloading_while_loading_tells_those_who_wait(catalog_files: FilledCatalog) -> None:
    """A waiter is not left hanging when the version is unloaded under it."""
    hang = (sys.executable, "-c", "import sys; sys.stdin.read()")
    version = catalog_files.add("a/slow")
    async with open_harness(catalog_files, command=hang) as harness:
        waiting = asyncio.create_task(harness.residency.ensure(version.id))
        await harness.until(lambda: bool(harness.engines()))
        await harness.residency.unload(version.id)
        with pytest.raises(Unloaded):
            await waiting
        assert not harness.engines()


async def test_closing_lets_what_is_under_way_finish_and_takes_nothing_new(
    catalog_files: FilledCatalog,
) -> None:
    """A stream that is open when the worker ends is whole; a later ask is refused."""
    version = catalog_files.add("a/one", delay_s=0.02)
    async with open_harness(catalog_files) as harness:
        resident = await harness.residency.ensure(version.id)
        arrived = list[float]()
        stream = asyncio.create_task(harness.words(url_of(resident), 80, arrived))
        await harness.until(lambda: bool(arrived))
        await harness.residency.close()
        await stream
        assert len(arrived) == 80
        with pytest.raises(EngineDraining):
            await harness.residency.ensure(version.id)


async def test_an_engine_without_an_answer_counts_as_busy(
    catalog_files: FilledCatalog,
) -> None:
    """A stopped process is not evicted for its silence."""
    async with open_harness(catalog_files, patience_s=0.0, answer_s=1.0) as harness:
        first, second = await fill(harness, catalog_files)
        for resident in (first, second):
            os.kill(pid_of(resident), signal.SIGSTOP)
        with pytest.raises(DeviceFull):
            await harness.residency.ensure(catalog_files.add("a/third").id)
        for resident in (first, second):
            os.kill(pid_of(resident), signal.SIGCONT)


async def test_a_removed_version_is_unloaded_once_nobody_listens(
    catalog_files: FilledCatalog,
) -> None:
    """Its engine ends with the answer that it has; a version that is still there stays loaded."""
    gone = catalog_files.add("a/gone", delay_s=0.02)
    stays = catalog_files.add("a/stays")
    async with open_harness(catalog_files) as harness:
        first, _ = await asyncio.gather(*map(harness.residency.ensure, (gone.id, stays.id)))
        await harness.residency.unload_removed()
        assert len(harness.residency.views()) == 2
        arrived = list[float]()
        stream = asyncio.create_task(harness.words(url_of(first), 40, arrived))
        await harness.until(lambda: bool(arrived))
        catalog_files.catalog.remove(ModelRef.parse("a/gone"))
        await harness.residency.unload_removed()
        await stream
        assert len(arrived) == 40
        assert [view.version_id for view in harness.residency.views()] == [stays.id]


async def test_an_engine_that_stays_silent_is_ended_and_comes_back(
    catalog_files: FilledCatalog,
) -> None:
    """Stopped for good: its row says that it gave no answer, and another takes its place."""
    version = catalog_files.add("a/stopped")
    limits = WatchdogLimits(silent_s=0.3)
    async with open_harness(catalog_files, answer_s=0.1, watchdog=limits) as harness:
        resident = await harness.residency.ensure(version.id)
        before = pid_of(resident)
        os.kill(before, signal.SIGSTOP)
        async with asyncio.timeout(60):
            while resident.process is not None:
                await harness.residency.refresh(harness.device.facts())
        (view,) = harness.residency.views()
        assert "gave no answer for" in view.error
        assert pid_of(await harness.residency.ensure(version.id)) != before


async def test_the_engines_answer_only_with_the_internal_token(
    catalog_files: FilledCatalog,
) -> None:
    """An engine's own door is shut to everybody else on the machine."""
    async with open_harness(catalog_files) as harness, aiohttp.ClientSession() as stranger:
        resident = await harness.residency.ensure(catalog_files.add("a/one").id)
        async with stranger.get(f"{url_of(resident)}/state") as answer:
            assert answer.status == 401


async def test_a_load_that_cannot_be_started_is_reported_as_a_crash(
    catalog_files: FilledCatalog,
) -> None:
    """A missing interpreter is quarantined like any other crash, and nobody waits for ever."""
    async with open_harness(catalog_files, command=("no-such-program",)) as harness:
        with pytest.raises(Quarantined) as given_up:
            await harness.residency.ensure(catalog_files.add("a/one").id)
        assert isinstance(given_up.value.reason, EngineCrashed)


@pytest.mark.parametrize("is_gpu", [False, True])
async def test_every_engine_has_a_bound_of_main_memory(
    catalog_files: FilledCatalog, *, is_gpu: bool
) -> None:
    """Its own limit on a processor; on a GPU, whose driver reserves a lot, the worker watches."""
    async with open_harness(catalog_files) as harness:
        harness.device.is_gpu = is_gpu
        resident = await harness.residency.ensure(catalog_files.add("a/one").id)
        config = resident.config
    assert (config.memory_limit > 0, config.host_memory_most > 0) == (not is_gpu, is_gpu)
    assert max(config.memory_limit, config.host_memory_most) > resident.need
