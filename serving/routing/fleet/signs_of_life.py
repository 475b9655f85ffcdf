"""Which workers live, judged on this gateway's monotonic clock.

Workers write the time of their own clocks. That another machine's clock is wrong must not make a
worker look dead, and neither must a database that takes no writes for a while.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from modelyard.registry.database import utc_now
from modelyard.registry.fleet.fleet import WorkerView
from modelyard.registry.logs import logger
from modelyard.serving.routing.fleet.asking import WorkerReply

SKEW_S = 5.0
"""Difference of two machines' clocks in seconds from which it is said."""

STRANGER_S = 10.0
"""Seconds after which a worker with another secret is asked again."""

_MOST_ASKED = 32

_log = logger("modelyard.gateway")


@dataclass(slots=True)
class _Sign:
    """A worker's last heartbeat, when it was alive at the latest, and how its clock differs."""

    worker: WorkerView
    seen_at: float
    behind_s: float = 0.0
    asked_at: float | None = None
    is_stranger: bool = False


@dataclass(slots=True)
class SignsOfLife:
    """Remembers each worker's signs; one that has been silent for `alive_s` seconds is dead.

    A worker is asked itself when it is seen for the first time and while it is silent; without
    `ask` its heartbeats alone count. One with another secret is as good as dead. Thread-safe.
    """

    alive_s: float
    ask: Callable[[str], WorkerReply] | None = None
    now: Callable[[], datetime] = utc_now
    _signs: dict[str, _Sign] = field(default_factory=dict[str, _Sign])
    _looked_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def living(self, workers: Iterable[WorkerView]) -> list[WorkerView]:
        """Those of all `workers` that live; takes a second or two where some do not answer."""
        with self._lock:
            now = time.monotonic()
            before = self._signs
            self._signs = {w.device_id: self._sign(before, w, now) for w in workers}
            self._looked_at = now
            self._ask([sign for sign in self._signs.values() if self._is_doubtful(sign, now)])
            return [sign.worker for sign in self._signs.values() if self._lives(sign)]

    def silent_s(self, worker: WorkerView) -> float:
        """Seconds since a worker's last sign; by both machines' clocks if it is not known yet."""
        sign = self._signs.get(worker.device_id)
        if sign is None or sign.worker.started_at != worker.started_at:
            return (self.now() - worker.heartbeat_at).total_seconds()
        return max(0.0, time.monotonic() - sign.seen_at)

    def is_alive(self, worker: WorkerView) -> bool:
        """Whether a worker counts, by its last sign."""
        return not self.is_stranger(worker.device_id) and self.silent_s(worker) <= self.alive_s

    def is_stranger(self, device_id: str) -> bool:
        """Whether a device's worker has another secret than this gateway."""
        sign = self._signs.get(device_id)
        return sign is not None and sign.is_stranger

    def _lives(self, sign: _Sign) -> bool:
        return not sign.is_stranger and time.monotonic() - sign.seen_at <= self.alive_s

    def _sign(self, before: dict[str, _Sign], worker: WorkerView, now: float) -> _Sign:
        """What is known of a worker after reading its row at `now`."""
        old_s = (self.now() - worker.heartbeat_at).total_seconds()
        sign = before.get(worker.device_id)
        if sign is None or sign.worker.started_at != worker.started_at:
            return _Sign(worker, now - max(old_s, 0.0))
        if sign.worker.heartbeat_at != worker.heartbeat_at:
            if now - self._looked_at <= SKEW_S:  # it was given since the last look
                self._compare(sign, worker, old_s)
                sign.seen_at = now
            else:
                sign.seen_at = now - max(old_s - sign.behind_s, 0.0)
        sign.worker = worker
        return sign

    def _compare(self, sign: _Sign, worker: WorkerView, old_s: float) -> None:
        """Note how far a worker's clock is behind this one's, and say it if that is much."""
        if abs(old_s) > SKEW_S and abs(old_s - sign.behind_s) > SKEW_S:
            _log.warning(
                "clocks_differ",
                device=worker.device_id,
                behind_s=round(old_s),
                fix="Set the clocks of gateway and worker by NTP: what they write shows both.",
            )
        sign.behind_s = old_s

    def _is_doubtful(self, sign: _Sign, now: float) -> bool:
        """Whether a worker is to be asked now; less and less often the longer it is silent."""
        if sign.asked_at is None:
            return True
        asked_ago = now - sign.asked_at
        if sign.is_stranger:
            return asked_ago > STRANGER_S
        silent_s = now - sign.seen_at
        return silent_s > self.alive_s / 2 and asked_ago > min(silent_s / 4, 60.0)

    def _ask(self, signs: list[_Sign]) -> None:
        """Ask all at once."""
        if not signs or self.ask is None:
            return
        with ThreadPoolExecutor(min(len(signs), _MOST_ASKED)) as pool:
            replies = list(pool.map(self.ask, [sign.worker.url for sign in signs]))
        now = time.monotonic()
        for sign, reply in zip(signs, replies, strict=True):
            sign.asked_at = now
            if reply is WorkerReply.LIVES:
                sign.seen_at = now
            if reply is WorkerReply.STRANGER and not sign.is_stranger:
                _log.error(
                    "worker_has_another_secret",
                    device=sign.worker.device_id,
                    url=sign.worker.url,
                    fix="Give it this gateway's MODELYARD_SECRET_KEY, or the same data folder.",
                )
            if reply is not WorkerReply.SILENT:
                sign.is_stranger = reply is WorkerReply.STRANGER
