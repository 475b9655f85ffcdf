"""An admin's orders for a device are kept, each without undoing the other."""

from modelyard.registry.database import Database
from modelyard.registry.fleet.device_orders import DeviceOrder, DeviceOrders


def test_a_device_without_an_order_works(db: Database) -> None:
    """No row is the order to go on."""
    assert DeviceOrders(db).of("gpu-a") == DeviceOrder("gpu-a")


def test_maintenance_and_clearing_are_kept_side_by_side(db: Database) -> None:
    """Ending the maintenance leaves what was cleared, and takes the reason away."""
    orders = DeviceOrders(db)
    orders.set_maintenance("gpu-a", on=True, reason="new fan", by="ada")
    cleared = orders.clear("gpu-a", ecc_errors=2, by="ada")
    assert (cleared.maintenance, cleared.reason, cleared.cleared_ecc) == (True, "new fan", 2)
    assert cleared.cleared_at is not None
    assert orders.of("gpu-a") == cleared
    orders.set_maintenance("gpu-a", on=False, reason="ignored", by="ada")
    after = orders.of("gpu-a")
    assert (after.maintenance, after.reason, after.cleared_ecc) == (False, "", 2)
    assert orders.of("gpu-b").maintenance is False
