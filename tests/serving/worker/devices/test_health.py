"""A faulty device takes no work until an admin has cleared it; maintenance stands over all."""

from datetime import timedelta

import pytest

from modelyard.registry.database import utc_now
from modelyard.registry.fleet.device_facts import DeviceFacts, DeviceStatus, EccCounts, XidEvent
from modelyard.registry.fleet.device_orders import DeviceOrder
from modelyard.serving.worker.devices.health import judged

NOW = utc_now()
FATAL = XidEvent(79, NOW, "it has fallen off the bus", fatal=True)
WELL = DeviceFacts("gpu-a", "Card", DeviceStatus.AVAILABLE, 0.0)
BROKEN = DeviceFacts("gpu-a", "Card", DeviceStatus.AVAILABLE, 0.0, xid_events=(FATAL,))


def ecc(uncorrected: int) -> DeviceFacts:
    counts = EccCounts(0, uncorrected, None, None)
    return DeviceFacts("gpu-a", "Card", DeviceStatus.AVAILABLE, 0.0, ecc=counts)


def test_a_fault_is_cleared_for_itself_and_not_for_the_next() -> None:
    """What happened before the clearing counts no more; what happens after it does."""
    assert judged(BROKEN, DeviceOrder("gpu-a")).status is DeviceStatus.ERROR
    later = NOW + timedelta(seconds=1)
    earlier = NOW - timedelta(seconds=1)
    assert judged(BROKEN, DeviceOrder("gpu-a", cleared_at=later)).status is DeviceStatus.AVAILABLE
    assert judged(BROKEN, DeviceOrder("gpu-a", cleared_at=earlier)).status is DeviceStatus.ERROR


@pytest.mark.parametrize(
    ("errors", "cleared", "status"),
    [(0, 0, "available"), (2, 0, "error"), (2, 2, "available"), (3, 2, "error"), (1, 2, "error")],
)
def test_memory_errors_count_beyond_those_that_were_cleared(
    errors: int, cleared: int, status: str
) -> None:
    """A counter below what was cleared has been reset: all it counts is new."""
    order = DeviceOrder("gpu-a", cleared_at=NOW, cleared_ecc=cleared)
    assert judged(ecc(errors), order).status == status


def test_maintenance_stands_over_all_and_says_why() -> None:
    """Also over an error: the device is in somebody's hands."""
    order = DeviceOrder("gpu-a", maintenance=True, reason="new fan")
    for facts in (WELL, BROKEN):
        found = judged(facts, order)
        assert (found.status, found.reason) == (DeviceStatus.MAINTENANCE, "new fan")


def test_an_error_of_the_device_itself_cannot_be_cleared_away() -> None:
    """A lost card is lost, whatever anybody ordered."""
    lost = DeviceFacts("gpu-a", "Card", DeviceStatus.ERROR, 0.0, reason="GPU is lost")
    order = DeviceOrder("gpu-a", cleared_at=NOW + timedelta(days=1))
    assert judged(lost, order) == lost
