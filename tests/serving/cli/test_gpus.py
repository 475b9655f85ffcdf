"""`modelyard gpus` shows the devices and keeps an admin's orders."""

from registry.device_orders import DeviceOrders
from tests.serving.cli.shell import Shell, keep_alive
from tests.serving.site import Site


def test_devices_are_listed_with_why_they_do_not_work(shell: Shell, site: Site) -> None:
    """For people and as JSON."""
    site.worker(status="error", reason="XID 79")
    keep_alive(site)
    assert "XID 79" in shell.run("gpus", "list").said
    (device,) = shell.run("gpus", "list", "--json").json()
    assert (device["gpu_id"], device["status"]) == ("cpu-0", "error")


def test_orders_are_kept_for_the_worker(shell: Shell, site: Site) -> None:
    """Maintenance on and off, faults cleared up to what the device counts."""
    site.worker(ecc={"uncorrected": 2})
    keep_alive(site)
    orders = DeviceOrders(site.database)
    assert shell.run("gpus", "maintenance", "cpu-0", "--reason", "new fan").code == 0
    assert orders.of("cpu-0").reason == "new fan"
    assert shell.run("gpus", "clear", "cpu-0").code == 0
    assert shell.run("gpus", "maintenance", "cpu-0", "--off").code == 0
    order = orders.of("cpu-0")
    assert (order.maintenance, order.cleared_ecc) == (False, 2)
    assert order.cleared_at is not None


def test_an_unknown_device_is_an_error(shell: Shell) -> None:
    """It says where to find those that are there."""
    assert "gpus list" in shell.run("gpus", "clear", "gpu-9").said
