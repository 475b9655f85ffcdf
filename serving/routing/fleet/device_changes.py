"""What has changed about the devices: their states, and alerts that begin or end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from modelyard.registry.fleet.device_facts import DeviceStatus
from modelyard.registry.fleet.device_states import StateChange, StateKey
from modelyard.registry.fleet.report import DeviceReport
from modelyard.registry.notices.notice import NoticeDraft, Topic

STATE = "state"
AVAILABLE = "available"
LOST = "lost"
RAISED = "raised"
CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class SeenDevice:
    """A device at this look: `is_lost` if its worker gives no sign of life.

    `is_beating` once its worker has written a heartbeat since the look before. `error_rate` is the
    failed share of its requests of the last minutes, 0 if there were none.
    """

    device_id: str
    report: DeviceReport
    is_lost: bool
    is_beating: bool
    error_rate: float = 0.0

    def state(self, before: str | None) -> str:
        """Lost devices come back by a heartbeat: two gateways may differ on who answers them."""
        if self.is_lost or (before == LOST and not self.is_beating):
            return LOST
        if self.report.status in (DeviceStatus.ERROR, DeviceStatus.MAINTENANCE):
            return self.report.status.value
        return AVAILABLE

    def value(self, name: str) -> float | None:
        """What the alert of this name goes by; None if it is not known now."""
        report = self.report
        if self.is_lost:
            return None
        match name:
            case "temperature":
                return report.temperature
            case "memory" if report.memory_used is not None and report.memory_total:
                return report.memory_used / report.memory_total
            case "error_rate":
                return self.error_rate
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Threshold:
    """An alert begins at `above` and ends under `below`; in between it stays as it is."""

    name: str
    above: float
    below: float

    def is_raised(self, value: float | None, before: str | None) -> bool:
        was_raised = before == RAISED
        if value is None:
            return was_raised
        return value >= (self.below if was_raised else self.above)


def changes(
    seen: Sequence[SeenDevice], known: Mapping[StateKey, str], thresholds: Sequence[Threshold]
) -> list[StateChange]:
    """All that differs between what is known and what is seen."""
    here = {device.device_id for device in seen}
    found = [change for device in seen for change in _of_device(device, known, thresholds)]
    return found + [_gone(key, known[key]) for key in known if key[0] not in here]


def raised(states: Mapping[StateKey, str]) -> frozenset[StateKey]:
    """The alerts that are raised, by device and name."""
    return frozenset(key for key, value in states.items() if value == RAISED)


def _of_device(
    device: SeenDevice, known: Mapping[StateKey, str], thresholds: Sequence[Threshold]
) -> Iterator[StateChange]:
    before = known.get((device.device_id, STATE))
    after = device.state(before)
    if before != after:
        yield _state_change(device, before, after)
    is_lost = after == LOST
    yield from _alert(device, known, Threshold(LOST, 1, 1), value=float(is_lost))
    for threshold in thresholds:
        yield from _alert(device, known, threshold, value=device.value(threshold.name))


def _state_change(device: SeenDevice, before: str | None, after: str) -> StateChange:
    """A device that is first seen and well is no news."""
    name = "device.back" if after == AVAILABLE else f"device.{after}"
    report = device.report
    reason = "its worker gives no sign of life" if after == LOST else report.reason
    told = {"device": device.device_id, "name": report.name, "before": before, "reason": reason}
    is_news = before is not None or after != AVAILABLE
    notice = NoticeDraft(Topic.DEVICES, name, told) if is_news else None
    return StateChange(device.device_id, STATE, before, after, notice)


def _alert(
    device: SeenDevice, known: Mapping[StateKey, str], threshold: Threshold, *, value: float | None
) -> Iterator[StateChange]:
    """An alert that never was raised has no row."""
    before = known.get((device.device_id, threshold.name))
    after = RAISED if threshold.is_raised(value, before) else CLEAR
    if after != (before or CLEAR):
        told = {
            "alert": threshold.name,
            "device": device.device_id,
            "value": value,
            "threshold": threshold.above,
        }
        notice = NoticeDraft(Topic.ALERTS, _kind(after), told)
        yield StateChange(device.device_id, threshold.name, before, after, notice)


def _gone(key: StateKey, before: str) -> StateChange:
    """The worker has left in good order, or a day ago; its alerts end."""
    device_id, name = key
    notice = None
    if name == STATE:
        notice = NoticeDraft(Topic.DEVICES, "device.left", {"device": device_id, "before": before})
    elif before == RAISED:
        told = {"alert": name, "device": device_id, "value": None, "threshold": None}
        notice = NoticeDraft(Topic.ALERTS, _kind(CLEAR), told)
    return StateChange(device_id, name, before, None, notice)


def _kind(after: str) -> str:
    return "alert.raised" if after == RAISED else "alert.cleared"
