"""The load that the other gateways report to have reserved on each device."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from modelyard.serving.routing.policy.fleet_state import WorkerState

FRESH_S = 1.0
"""Seconds that a report is valid; after that, the workers' own reports are the better guess."""

Share = tuple[float, float]
"""Requests running on a device, and the seconds of prompts still to compute there."""

NONE: Share = (0.0, 0.0)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Share]).decode


def told(workers: Iterable[WorkerState], now: float) -> bytes:
    """Encode this gateway's load per device: sent requests, seconds of sent and held prompts."""
    return _encode({w.device_id: _share(w, now) for w in workers if w.sent or w.held})


def _share(worker: WorkerState, now: float) -> Share:
    seconds = worker.wait_s(now)
    if worker.held:
        seconds += worker.ahead_s(float("inf"))
    return worker.sent, round(seconds, 3)


@dataclass(slots=True)
class PeerLoads:
    """The sums of the other gateways' latest reports."""

    _sums: dict[str, Share] = field(default_factory=dict[str, Share])
    _heard_at: float = float("-inf")

    def hear(self, loads: Iterable[bytes], now: float) -> None:
        sums = dict[str, Share]()
        for load in loads:
            for device_id, (requests, seconds) in _read(load).items():
                known_requests, known_seconds = sums.get(device_id, NONE)
                sums[device_id] = known_requests + requests, known_seconds + seconds
        self._sums = sums
        self._heard_at = now

    def of(self, device_id: str, now: float) -> Share | None:
        """The others' load on a device; None without a report in the last FRESH_S."""
        return self._sums.get(device_id, NONE) if now - self._heard_at <= FRESH_S else None


def _read(load: bytes) -> dict[str, Share]:
    """Decode a report; empty if a gateway of another version uses another format."""
    try:
        return _decode(load)
    except msgspec.MsgspecError:
        return {}
