"""`modelyard gpus` shows the devices and keeps an admin's orders."""

import pytest

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


@pytest.mark.parametrize("wanted", ["GPU-5a", "gpu-0", "0", "nvidia l4"])
def test_a_device_is_named_by_id_index_or_name(
    shell: Shell, installation: Installation, wanted: str
) -> None:
    """Whatever people read in the list or in the README."""
    installation.worker("GPU-5a", name="NVIDIA L4", alias="gpu-0")
    installation.worker("GPU-6b", name="NVIDIA T4", alias="gpu-1")
    keep_alive(installation)
    ended = shell.run("gpus", "maintenance", wanted)
    assert ended.code == 0, ended.said
    assert DeviceOrders(installation.database).of("GPU-5a").maintenance
    assert not DeviceOrders(installation.database).of("GPU-6b").maintenance


def test_a_name_of_several_devices_is_not_guessed(shell: Shell, installation: Installation) -> None:
    """Two machines may each have a gpu-0: the error lists the ids."""
    installation.worker("GPU-5a", alias="gpu-0")
    installation.worker("GPU-6b", alias="gpu-0")
    keep_alive(installation)
    ended = shell.run("gpus", "clear", "gpu-0")
    assert ended.code == 2
    assert "GPU-5a, GPU-6b" in ended.said


def test_an_unknown_device_is_an_error(shell: Shell) -> None:
    """With the exit code of what is not there, and where to find those that are."""
    for order in ("clear", "maintenance"):
        ended = shell.run("gpus", order, "gpu-9")
        assert ended.code == 4
        assert "gpus list" in ended.said
