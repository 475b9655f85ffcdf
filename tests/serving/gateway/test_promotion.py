"""Promotions by the real command and API, against real workers whose engines load slowly."""

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from modelyard.registry.catalog.model import CHAMPION, ModelRef, ModelVersion
from modelyard.registry.catalog.preparations import Preparations
from modelyard.registry.fleet.fleet import EngineState
from tests.serving.installation import ALIVE_S, TOKEN, Installation, open_installation
from tests.serving.processes import (
    MODELYARD,
    PATIENT,
    GatewayProcess,
    environment,
    gateway_process,
    until,
    worker_process,
)

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

NODES = ("a", "b")
LOAD_S = 12.0
"""An engine of which users would notice that it loads."""

NEVER_S = 600.0


@dataclass(frozen=True, slots=True)
class PromotedFleet:
    """Two workers and a gateway, and the command of the same installation."""

    installation: Installation
    gateway: GatewayProcess
    env: dict[str, str]

    def load(self, version: ModelVersion) -> None:
        """On every worker."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for row in self.installation.fleet.workers(ALIVE_S):
            url = f"{row.url}/engines/{version.id}"
            httpx2.post(url, headers=headers, timeout=120, trust_env=False).raise_for_status()
        until(lambda: len(self.ready(version)) == len(NODES))

    def ready(self, version: ModelVersion) -> set[str]:
        engines = self.installation.fleet.engines(ALIVE_S)
        mine = [e for e in engines if e.version_id == version.id]
        return {e.device_id for e in mine if e.state is EngineState.READY}

    def champion(self, model: str) -> int:
        return self.installation.filled.catalog.find(ModelRef(model, CHAMPION)).number

    @property
    def preparing(self) -> list[str]:
        return Preparations(self.installation.database).standing()

    @contextmanager
    def promoting(self, *arguments: str) -> Generator[subprocess.Popen[str]]:
        """`models promote` beside the block, which outlives it no more."""
        command = [*MODELYARD, "models", "promote", *arguments]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=self.env, stdout=pipe, stderr=pipe, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def promote(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and what people read."""
        with self.promoting(*arguments) as process:
            out, err = process.communicate(timeout=240)
            return process.returncode, " ".join((out + err).split())


@pytest.fixture(scope="module")
def promoted(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generator[PromotedFleet]:
    folder = tmp_path_factory.mktemp("promotions")
    url = f"sqlite:///{folder / 'modelyard.db'}"
    (folder / "modelyard.db").write_bytes(sqlite_template.read_bytes())
    env = environment(folder) | PATIENT | {"MODELYARD_WORKER_HEARTBEAT_S": "0.5"}
    with ExitStack() as stack:
        installation = stack.enter_context(open_installation(url, folder))
        for node in NODES:
            stack.enter_context(worker_process(env | {"MODELYARD_NODE": node}))
        gateway = stack.enter_context(gateway_process(env, folder))
        until(lambda: len(installation.fleet.workers(ALIVE_S)) == len(NODES))
        gateway.once_ready()
        yield PromotedFleet(installation, gateway, env)


@dataclass(frozen=True, slots=True)
class AliasAnswer:
    """Of one request: its status, the version that answered, and the seconds that it took."""

    status: int
    version: str
    seconds: float


async def asked(client: httpx2.AsyncClient, model: str, number: int) -> AliasAnswer:
    begun = time.monotonic()
    body = {"model": model, "prompt": f"Say {number}", "max_tokens": 5}
    answer = await client.post("/v1/completions", json=body)
    version = answer.headers.get("X-Modelyard-Version", "")
    return AliasAnswer(answer.status_code, version, time.monotonic() - begun)


async def test_under_load_nobody_waits_and_the_alias_changes_once(promoted: PromotedFleet) -> None:
    """The new version loads for longer than any request takes, on both devices of the old one."""
    filled = promoted.installation.filled
    promoted.load(filled.add("talker"))
    new = filled.add("talker", "better", load_s=LOAD_S)
    headers = {"Authorization": f"Bearer {promoted.installation.ada}"}
    asking = list[asyncio.Task[AliasAnswer]]()
    async with httpx2.AsyncClient(
        base_url=promoted.gateway.url, headers=headers, timeout=240, trust_env=False
    ) as client:
        promoting = asyncio.create_task(asyncio.to_thread(promoted.promote, "talker@2"))
        switched = 0
        while switched < 100:  # what comes with the new champion counts as well
            asking.append(asyncio.create_task(asked(client, "talker", len(asking))))
            switched += promoting.done()
            await asyncio.sleep(0.05)
        answers = await asyncio.gather(*asking)
    code, said = await promoting
    assert (code, "talker@2 is champion now." in said) == (0, True), said
    assert {a.status for a in answers} == {200}
    assert max(a.seconds for a in answers) < LOAD_S / 2
    versions = [a.version for a in answers]
    assert set(versions) == {"talker@1", "talker@2"}
    assert versions == sorted(versions)
    assert len(promoted.ready(new)) == len(NODES)
    assert promoted.preparing == []


async def test_after_the_bound_the_alias_moves_and_says_so(promoted: PromotedFleet) -> None:
    """A version that takes too long is champion all the same."""
    promoted.installation.filled.add("slow")
    promoted.installation.filled.add("slow", "better", load_s=LOAD_S)
    code, said = promoted.promote("slow@2", "--wait-s", "1")
    assert (code, promoted.champion("slow")) == (0, 2)
    assert "did not answer everywhere within 1 s" in said


async def test_a_version_that_cannot_be_loaded_stays_what_it_was(promoted: PromotedFleet) -> None:
    """The cause is told; who insists gets the alias moved."""
    promoted.installation.filled.add("broken")
    promoted.installation.filled.add("broken", "worse", no_such_option=1)
    code, said = promoted.promote("broken@2")
    assert (code, promoted.champion("broken")) == (3, 1)
    assert "failed to load" in said
    assert promoted.preparing == []
    assert promoted.promote("broken@2", "--force")[0] == 0
    assert promoted.champion("broken") == 2


async def test_what_nobody_had_loaded_is_loaded_once_first(promoted: PromotedFleet) -> None:
    """On one device, and it answers there when the alias moves; back again it is the same."""
    old = promoted.installation.filled.add("idle")
    new = promoted.installation.filled.add("idle", "better")
    assert promoted.promote("idle@2")[0] == 0
    assert (promoted.champion("idle"), len(promoted.ready(new))) == (2, 1)
    assert promoted.promote("idle@1")[0] == 0
    assert (promoted.champion("idle"), len(promoted.ready(old))) == (1, 1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_a_promoter_that_ends_in_between_leaves_the_alias(
    promoted: PromotedFleet, number: signal.Signals
) -> None:
    """Nothing has to be cleaned: the next promotion does as if there had been none."""
    model = f"cut-{number.name}".lower()
    for build, options in (("", {}), ("2", {"load_s": NEVER_S}), ("3", {})):
        version = promoted.installation.filled.add(model, build, **options)
    with promoted.promoting(f"{model}@2") as process:
        until(lambda: bool(promoted.preparing))
        process.send_signal(number)
        process.wait(60)
    assert promoted.champion(model) == 1
    assert bool(promoted.preparing) == (number is signal.SIGKILL)  # until its time is over
    assert promoted.promote(f"{model}@3")[0] == 0
    assert promoted.champion(model) == version.number
    assert promoted.preparing == []


async def test_of_two_promotions_the_later_one_wins(promoted: PromotedFleet) -> None:
    """The earlier one ends with a conflict, without waiting for its version."""
    for build, options in (("", {}), ("2", {"load_s": NEVER_S}), ("3", {})):
        promoted.installation.filled.add("fought", build, **options)
    with promoted.promoting("fought@2") as earlier:
        until(lambda: bool(promoted.preparing))
        assert promoted.promote("fought@3")[0] == 0
        assert earlier.wait(60) == 5
    assert promoted.champion("fought") == 3


async def test_the_api_promotes_for_admins_shows_it_and_counts(promoted: PromotedFleet) -> None:
    """While it prepares, the model's page says for which alias."""
    promoted.installation.filled.add("asked")
    promoted.installation.filled.add("asked", "better", load_s=LOAD_S)
    wanted = {"model": "asked@2"}
    path = "/api/v1/admin/promotions"
    with promoted.gateway.http(promoted.installation.ada) as http:
        assert http.post(path, json=wanted).status_code == 403
    with promoted.gateway.http(promoted.installation.admin) as http:
        replying = asyncio.create_task(asyncio.to_thread(http.post, path, json=wanted))
        await asyncio.to_thread(until, lambda: bool(promoted.preparing))
        shown = {m["name"]: m for m in http.get("/api/v1/models").json()["models"]}
        assert [p["alias"] for p in shown["asked"]["versions"][0]["preparing"]] == [CHAMPION]
        reply = (await replying).json()
        assert (reply["outcome"], reply["number"]) == ("prepared", 2), json.dumps(reply)
        assert reply["seconds"] > LOAD_S
        metrics = http.get("/metrics").text
    assert 'modelyard_promotions_total{outcome="prepared"} 1.0' in metrics
    assert 'modelyard_promotion_seconds_count{outcome="prepared"} 1.0' in metrics
