"""`modelyard gpus` shows the devices and keeps an admin's orders."""

from modelyard.registry.fleet.device_orders import DeviceOrders
from tests.serving.cli.shell import Shell, keep_alive
from tests.serving.installation import Installation


def test_devices_are_listed_with_why_they_do_not_work(
    shell: Shell, installation: Installation
) -> None:
    """For people and as JSON."""
    installation.worker(status="error", reason="XID 79")
    keep_alive(installation)
    assert "XID 79" in shell.run("gpus", "list").said
    (device,) = shell.run("gpus", "list", "--json").json()
    assert (device["gpu_id"], device["status"]) == ("cpu-0", "error")


def test_orders_are_kept_for_the_worker(shell: Shell, installation: Installation) -> None:
    """Maintenance on and off, faults cleared up to what the device counts."""
    installation.worker(ecc={"uncorrected": 2})
    keep_alive(installation)
    orders = DeviceOrders(installation.database)
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
