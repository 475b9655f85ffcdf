"""What happens to a device is told once, by whichever gateway sees it, and does not flap."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from modelyard.registry.database import utc_now
from modelyard.registry.fleet.device_states import DeviceStates
from modelyard.registry.fleet.rollup import HistoryRollup
from modelyard.registry.fleet.tables import WorkerRow
from modelyard.registry.notices.notice_book import NoticeBook
from modelyard.serving.observability.notice_stats import NoticeStats
from modelyard.serving.routing.fleet.device_changes import (
    SeenDevice,
    Threshold,
    changes,
)
from modelyard.serving.routing.fleet.device_watch import DeviceWatch, thresholds_of
from modelyard.serving.routing.fleet.snapshot import FleetSnapshotCache
from modelyard.serving.settings import GatewaySettings
from tests.serving.installation import Installation, device_report

pytestmark = pytest.mark.anyio

HOT = Threshold("temperature", 90, 85)


def a_watch(installation: Installation, rates: dict[str, float] | None = None) -> DeviceWatch:
    """One gateway's; it looks at the tables anew each time."""
    fleet = installation.fleet

    async def workers() -> Any:
        return fleet.workers(86_400)

    async def error_rates() -> dict[str, float]:
        return rates or {}

    return DeviceWatch(
        FleetSnapshotCache(fleet, 600, remember_s=0.0),
        workers,
        error_rates,
        DeviceStates(installation.database),
        thresholds_of(GatewaySettings()),
        NoticeStats(),
        lambda: None,
        HistoryRollup(installation.database),
        NoticeBook(installation.database),
    )


def told(installation: Installation) -> list[str]:
    """The kinds of all notices, alerts with their name."""
    notices = NoticeBook(installation.database).after(0)
    return [" ".join([one.kind, one.data.get("alert", "")]).strip() for one in notices]


def age(installation: Installation, seconds: float) -> None:
    """Let the heartbeat be so old."""
    with installation.database.begin() as session:
        session.execute(update(WorkerRow).values(heartbeat_at=utc_now() - timedelta(0, seconds)))


async def test_states_of_a_device_are_told_by_one_of_two_gateways(
    installation: Installation,
) -> None:
    """Maintenance, error and back; a device that is first seen and well is no news."""
    watches = [a_watch(installation) for _ in range(2)]
    for facts in (
        {},
        {"status": "busy"},
        {"status": "maintenance", "reason": "new fan"},
        {"status": "error", "reason": "XID 79"},
        {},
    ):
        installation.worker(**facts)
        for watch in watches:
            await watch.look()
    assert told(installation) == ["device.maintenance", "device.error", "device.back"]
    reasons = [one.data["reason"] for one in NoticeBook(installation.database).after(0)]
    assert reasons == ["new fan", "XID 79", ""]


async def test_a_lost_device_comes_back_with_a_heartbeat(installation: Installation) -> None:
    """And raises an alert meanwhile, which Prometheus sees; one that leaves has none any more."""
    watch = a_watch(installation)
    installation.worker()
    await watch.look()
    age(installation, 1000)
    watch = a_watch(installation)  # of another gateway, which has not seen it alive
    await watch.look()
    assert watch.stats.alerts == {("cpu-0", "lost")}
    installation.fleet.heartbeat("cpu-0", device_report())
    await watch.look()
    assert watch.stats.alerts == frozenset()
    age(installation, 1000)
    await a_watch(installation).look()
    installation.fleet.remove_worker("cpu-0")
    await watch.look()
    lost = ["device.lost", "alert.raised lost"]
    back = ["device.back", "alert.cleared lost"]
    assert told(installation)[:6] == [*lost, *back, *lost]
    assert sorted(told(installation)[6:]) == ["alert.cleared lost", "device.left"]


async def test_thresholds_raise_and_clear_alerts(installation: Installation) -> None:
    """Too hot, too full, too many errors; in between nothing is told."""
    rates = dict[str, float]()
    watch = a_watch(installation, rates)
    for celsius, used, rate in ((95, 0.5, 0.0), (87, 0.99, 0.06), (86, 0.96, 0.03), (80, 0.9, 0.0)):
        installation.worker(temperature=celsius, memory_used=int(8e9 * used))
        rates["cpu-0"] = rate
        await watch.look()
    assert told(installation) == [
        "alert.raised temperature",
        "alert.raised memory",
        "alert.raised error_rate",
        "alert.cleared temperature",
        "alert.cleared memory",
        "alert.cleared error_rate",
    ]


def test_an_alert_does_not_flap_around_its_threshold() -> None:
    """It ends well below where it begins, and stays while the device does not tell."""
    known = dict[tuple[str, str], str]()
    told = list[str]()
    for celsius in (89.9, 90.0, 89.0, 91.0, None, 85.0, 84.9, 89.9, None):
        report = device_report(temperature=celsius)
        seen = SeenDevice("d", report, is_lost=False, is_beating=True)
        for change in changes([seen], known, [HOT]):
            known[change.device_id, change.name] = change.after or ""
            told += [change.notice.kind] if change.notice else []
    assert told == ["alert.raised", "alert.cleared"]


def test_gateways_that_differ_on_who_answers_do_not_take_turns() -> None:
    """One reaches the worker's port, the other does not, and it writes no heartbeat: lost."""
    unheard = SeenDevice("d", device_report(), is_lost=True, is_beating=False)
    answers = replace(unheard, is_lost=False)
    assert (unheard.state("available"), answers.state("lost")) == ("lost", "lost")
    assert replace(answers, is_beating=True).state("lost") == "available"


def test_an_alert_with_a_threshold_of_zero_is_off() -> None:
    """As the settings say."""
    settings = GatewaySettings(alert_temperature=0, alert_memory=0.5, alert_error_rate=0)
    assert [one.name for one in thresholds_of(settings)] == ["memory"]
