"""Gateways over one database that are killed at random and started again, and callers of them."""

import random
import threading
import time
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.serving.processes import GatewayProcess, gateway_process

ANSWERS = httpx2.Timeout(60.0, connect=5.0)


@dataclass(slots=True)
class KillableGateway:
    """One place for a gateway: after each kill -9 the next one is started there."""

    env: Mapping[str, str]
    folder: Path
    url: str = ""
    kills: int = 0
    _now: GatewayProcess | None = None
    _ending: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Keep one running until `end`."""
        while not self._ending.is_set():
            with gateway_process(self.env, self.folder) as gateway:
                self._now = gateway
                self.url = gateway.url
                if not self._ending.is_set():
                    gateway.process.communicate()

    def kill(self) -> bool:
        """Kill what runs there now; False where it has only just been killed."""
        if self._now is None or self._now.process.poll() is not None:
            return False
        self._now.process.kill()
        self.kills += 1
        return True

    def end(self) -> None:
        self._ending.set()
        self.kill()


@contextmanager
def killable_gateways(
    env: Mapping[str, str], folder: Path, count: int
) -> Generator[list[KillableGateway]]:
    """So many of them; each answers at its `url` once it has one."""
    places = [folder / f"gateway-{number}" for number in range(count)]
    for place in places:
        place.mkdir()
    gateways = [KillableGateway(env, place) for place in places]
    threads = [threading.Thread(target=gateway.run) for gateway in gateways]
    for thread in threads:
        thread.start()
    try:
        yield gateways
    finally:
        for gateway in gateways:
            gateway.end()
        for thread in threads:
            thread.join()


@dataclass(frozen=True, slots=True)
class PatientCaller:
    """Hands requests in until they are acknowledged; one without an answer is repeated."""

    gateways: list[KillableGateway]
    key: str
    user_id: str
    chance: random.Random
    http: httpx2.Client

    def submit(self, number: int) -> str:
        body = {
            "request_id": str(uuid.UUID(int=self.chance.getrandbits(128), version=4)),
            "user_id": self.user_id,
            "model_id": "talker",
            "type": "inference",
            "timeout": 3_600_000,
            "payload": {"prompt": f"Say {number}", "max_tokens": 10},
        }
        while True:
            gateway = self.chance.choice(self.gateways)
            try:
                answer = self._post(gateway.url, body)
            except httpx2.TransportError:
                time.sleep(0.05)  # it has just been killed: ask any of them again
                continue
            if answer.status_code == 200:
                return str(answer.json()["request_id"])
            assert answer.status_code in {429, 503}, answer.text

    def _post(self, url: str, body: Mapping[str, object]) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        route = f"{url or 'http://127.0.0.1:9'}/api/v1/route"
        return self.http.post(route, json=body, headers=headers)
