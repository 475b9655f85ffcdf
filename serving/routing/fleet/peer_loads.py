"""What the other gateways have reserved on each device, as they tell it themselves."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from modelyard.serving.routing.policy.fleet_state import WorkerState

FRESH_S = 1.0
"""Seconds that what was heard holds; then the workers' own reports are the better guess."""

Share = tuple[float, float]
"""Requests at work on a device, and the seconds of prompts that are still to be computed there."""

NONE: Share = (0.0, 0.0)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Share]).decode


def told(workers: Iterable[WorkerState], now: float) -> bytes:
    """What this gateway has reserved: sent, or held here for a worker."""
    return _encode({w.device_id: _share(w, now) for w in workers if w.sent or w.held})


def _share(worker: WorkerState, now: float) -> Share:
    seconds = worker.wait_s(now)
    if worker.held:
        seconds += worker.ahead_s(float("inf"))
    return worker.sent, round(seconds, 3)


@dataclass(slots=True)
class PeerLoads:
    """The sums of what all others have told last."""

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
        """None where nothing was heard lately."""
        return self._sums.get(device_id, NONE) if now - self._heard_at <= FRESH_S else None


def _read(load: bytes) -> dict[str, Share]:
    """Nothing where a gateway of another version speaks otherwise."""
    try:
        return _decode(load)
    except msgspec.MsgspecError:
        return {}
