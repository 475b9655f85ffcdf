"""Admins take devices out of work and clear their faults; everybody sees how devices have been."""

import time
from datetime import UTC, datetime, timedelta

from modelyard.registry.fleet.device_history import DeviceHistory, Sample
from modelyard.registry.fleet.device_orders import DeviceOrders
from tests.serving.installation import Installation


async def test_an_admin_sets_maintenance_and_clears_faults(installation: Installation) -> None:
    """Both are kept for the worker; clearing remembers the errors that it covers."""
    installation.worker(ecc={"corrected": 0, "uncorrected": 3})
    async with installation.client(installation.admin) as client:
        path = "/api/v1/admin/gpus/cpu-0"
        answer = await client.put(f"{path}/maintenance", json={"on": True, "reason": "new fan"})
        assert answer.json()["maintenance"] is True
        cleared = (await client.post(f"{path}/clear")).json()
    assert (cleared["gpu_id"], cleared["reason"]) == ("cpu-0", "new fan")
    order = DeviceOrders(installation.database).of("cpu-0")
    assert (order.maintenance, order.cleared_ecc) == (True, 3)


async def test_only_admins_give_orders_and_only_to_devices_that_are_there(
    lite: Installation,
) -> None:
    """A user is told so; an unknown device is a 404."""
    lite.worker()
    path = "/api/v1/admin/gpus/{}/maintenance"
    async with lite.client(lite.ada) as client:
        refused = await client.put(path.format("cpu-0"), json={"on": True})
        assert refused.status_code == 403
        assert (await client.post("/api/v1/admin/gpus/cpu-0/clear")).status_code == 403
    async with lite.client(lite.admin) as client:
        assert (await client.put(path.format("x"), json={"on": True})).status_code == 404
    assert DeviceOrders(lite.database).of("cpu-0").maintenance is False


async def test_history_is_read_in_steps(installation: Installation) -> None:
    """The last hour where no times are given; times and steps as asked."""
    now = int(time.time()) // 60 * 60 - 120
    samples = [
        Sample("cpu-0", now + 10 * i, 10, utilization=0.5, throttle="thermal") for i in range(6)
    ]
    DeviceHistory(installation.database).add(samples)
    async with installation.client(installation.ada) as client:
        path = "/api/v1/gpus/cpu-0/history"
        whole = (await client.get(path)).json()
        assert (len(whole["points"]), whole["step"]) == (6, 10)
        first = whole["points"][0]
        assert (first["utilization"], first["throttle_reasons"]) == (0.5, ["thermal"])
        begin = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
        minute = (await client.get(path, params={"from": begin, "step": 60})).json()
        assert len(minute["points"]) == 1
        backwards = {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
        assert (await client.get(path, params=backwards)).status_code == 400


async def test_a_long_time_is_answered_in_longer_steps(lite: Installation) -> None:
    """The answer says what step it has: whole minutes after a day, whole hours after a month."""
    now = datetime.now(UTC)
    async with lite.client(lite.ada) as client:
        path = "/api/v1/gpus/cpu-0/history"
        for days, ended, step in ((0.5, 0, 22), (2, 1, 60), (29, 0, 1260), (400, 30, 18_000)):
            begin, end = (now - timedelta(days=ago) for ago in (days, ended))
            asked = {"from": begin.isoformat(), "to": end.isoformat()}
            assert (await client.get(path, params=asked)).json()["step"] == step, days
