"""The history behind the charts is bounded and holds only what was measured."""

from datetime import UTC, datetime, timedelta

from modelyard.dashboard.widgets.charts import KEPT, LOAD, MEMORY, History, past, usage
from modelyard.serving.wire.admin.devices import DeviceHistoryReply, DeviceSummary
from tests.dashboard.sample_data import DEVICE

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def gpu(utilization: float | None = 0.5) -> DeviceSummary:
    measured = {"gpu_id": "gpu-0", "active_requests": 0, "utilization": utilization}
    return DeviceSummary.model_validate(DEVICE | measured)


def test_both_series_are_shares() -> None:
    """Memory and load share one axis, so both are ratios."""
    history = History()
    history.add(gpu(), NOW)
    rows = history.frame("gpu-0")[["series", "share"]].to_numpy().tolist()
    assert rows == [[MEMORY, 0.25], [LOAD, 0.5]]


def test_what_is_unknown_is_left_out() -> None:
    """A gap is honest; a zero would be a made-up number."""
    history = History()
    history.add(gpu(utilization=None), NOW)
    assert list(history.frame("gpu-0")["series"]) == [MEMORY]


def test_a_page_left_open_does_not_grow_for_ever() -> None:
    """The oldest points leave when the history is full."""
    history = History()
    for second in range(KEPT + 5):
        history.add(gpu(), NOW + timedelta(seconds=second))
    frame = history.frame("gpu-0")
    assert len(frame) == 2 * KEPT
    assert frame["time"].iloc[0] == NOW + timedelta(seconds=5)


def test_the_chart_names_no_foreign_data() -> None:
    """A chart's data come with it; nothing is loaded by address."""
    history = History()
    history.add(gpu(), NOW)
    assert "url" not in usage(history.frame("gpu-0")).to_dict()["data"]


def test_the_last_hour_has_the_same_two_lines() -> None:
    """What the database kept is drawn like what the page saw, without what nobody measured."""
    minute = {
        "time": NOW,
        "utilization": 0.5,
        "memory_used": 8 * 2**30,
        "temperature": None,
        "power_usage": None,
        "throttle_reasons": [],
        "active_requests": 0,
        "queued_requests": 0,
        "tokens_per_second": 0,
    }
    blind = minute | {"utilization": None, "memory_used": None}
    given = {"gpu_id": "gpu-0", "step": 60, "points": [minute, blind]}
    frame = past(DeviceHistoryReply.model_validate(given), 16 * 2**30)
    assert frame[["series", "share"]].to_numpy().tolist() == [[MEMORY, 0.5], [LOAD, 0.5]]
