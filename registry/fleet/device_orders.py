"""Admins' orders for devices, stored so that workers follow them after every restart."""

from dataclasses import dataclass
from datetime import datetime

from modelyard.registry.database import Database, utc_now
from modelyard.registry.fleet.tables import DeviceOrderRow


@dataclass(frozen=True, slots=True)
class DeviceOrder:
    """The current order for one device; faults from before `cleared_at` do not count.

    `cleared_ecc` is the device's count of uncorrected memory errors at that time.
    """

    device_id: str
    maintenance: bool = False
    reason: str = ""
    cleared_at: datetime | None = None
    cleared_ecc: int = 0


@dataclass(frozen=True, slots=True)
class DeviceOrders:
    """The table of orders; a device without a row has none."""

    db: Database

    def of(self, device_id: str) -> DeviceOrder:
        with self.db.read() as session:
            row = session.get(DeviceOrderRow, device_id)
            return _order(row) if row else DeviceOrder(device_id)

    def set_maintenance(self, device_id: str, *, on: bool, reason: str, by: str) -> DeviceOrder:
        """Start or end maintenance of a device; requests already running on it may finish."""
        with self.db.begin() as session:
            row = session.get(DeviceOrderRow, device_id) or _blank(device_id)
            row.maintenance = on
            row.reason = reason[:500] if on else ""
            row.changed_by = by
            row.changed_at = utc_now()
            session.add(row)
            return _order(row)

    def clear(self, device_id: str, *, ecc_errors: int, by: str) -> DeviceOrder:
        """Return a device to work after an admin has dealt with its faults."""
        with self.db.begin() as session:
            row = session.get(DeviceOrderRow, device_id) or _blank(device_id)
            row.cleared_at = utc_now()
            row.cleared_ecc = ecc_errors
            row.changed_by = by
            row.changed_at = utc_now()
            session.add(row)
            return _order(row)


def _blank(device_id: str) -> DeviceOrderRow:
    return DeviceOrderRow(device_id=device_id, maintenance=False, reason="", cleared_ecc=0)


def _order(row: DeviceOrderRow) -> DeviceOrder:
    return DeviceOrder(row.device_id, row.maintenance, row.reason, row.cleared_at, row.cleared_ecc)
