"""Ejects devices that keep failing, for a limited time."""

from collections.abc import Iterable
from dataclasses import dataclass, field

FAILURES = 3
FALLS = 3
FALLS_WITHIN_S = 60.0
"""A device whose engines ended FALLS times within this time is ejected, whatever they answered."""

FALL_S = 1.0
"""Engine ends less than this many seconds apart count as one fall."""

FIRST_S = 5.0
MOST_S = 300.0
STEADY_S = 300.0
"""After this many seconds without a failure, a device's next ejection counts as its first."""

MOST_SHARE = 0.5
"""The largest share of the fleet to eject: if everything fails, the workers are not the cause."""


@dataclass(slots=True)
class _Record:
    failures: int = 0
    falls: list[float] = field(default_factory=list[float])
    ejections: int = 0
    until: float = 0.0
    failed_at: float = 0.0


@dataclass(slots=True)
class Ejection:
    """Ejects a device after FAILURES in a row or FALLS; each time twice as long, up to MOST_S."""

    _records: dict[str, _Record] = field(default_factory=dict[str, _Record])

    def failed(self, device_id: str, fleet: Iterable[str], now: float) -> None:
        """Record a failed request on a device."""
        record = self._record(device_id, now)
        record.failures += 1
        if record.failures >= FAILURES:
            self._eject(device_id, record, fleet, now)

    def fell(self, device_id: str, fleet: Iterable[str], now: float) -> None:
        """Record that an engine on a device ended; call once, however many requests noticed."""
        record = self._record(device_id, now)
        if record.falls and now - record.falls[-1] < FALL_S:
            return
        record.falls = [at for at in record.falls if now - at < FALLS_WITHIN_S] + [now]
        if len(record.falls) >= FALLS:
            self._eject(device_id, record, fleet, now)

    def succeeded(self, device_id: str) -> None:
        """Reset the consecutive failures; the number of ejections is kept."""
        record = self._records.get(device_id)
        if record is not None:
            record.failures = 0

    def forget(self, device_id: str) -> None:
        self._records.pop(device_id, None)

    def is_out(self, device_id: str, now: float) -> bool:
        record = self._records.get(device_id)
        return record is not None and record.until > now

    def __len__(self) -> int:
        return len(self._records)

    def _record(self, device_id: str, now: float) -> _Record:
        record = self._records.get(device_id)
        if record is None or now - max(record.failed_at, record.until) > STEADY_S:
            record = self._records[device_id] = _Record()
        record.failed_at = now
        return record

    def _eject(self, device_id: str, record: _Record, fleet: Iterable[str], now: float) -> None:
        names = set(fleet) | {device_id}
        out = sum(1 for name in names if name != device_id and self.is_out(name, now))
        if record.until > now or out + 1 > MOST_SHARE * len(names):
            return
        record.until = now + min(MOST_S, FIRST_S * 2.0**record.ejections)
        record.ejections += 1
        record.failures = FAILURES - 1  # one more failure after its return ejects it again
