"""Charts hold only what was measured."""

from collections.abc import Mapping
from datetime import UTC, datetime

from modelyard.dashboard.widgets.charts import FAILED, WRONG, traffic, usage, usage_frame
from modelyard.serving.wire.admin.devices import DeviceHistoryReply
from modelyard.serving.wire.admin.traffic import TrafficPoint

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = {
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
POINT = TrafficPoint(
    time=NOW,
    requests=3,
    failed=1,
    prompt_tokens=0,
    output_tokens=0,
    first_token_p50=80.0,
    first_token_p95=None,
)


def history(*points: Mapping[str, object]) -> DeviceHistoryReply:
    given = {"gpu_id": "gpu-0", "step": 60, "points": points}
    return DeviceHistoryReply.model_validate(given)


def test_memory_and_load_are_shares_and_what_is_unknown_is_left_out() -> None:
    """Both share one axis; a gap is honest, a zero would be a made-up number."""
    blind = MINUTE | {"utilization": None, "memory_used": None}
    frame = usage_frame(history(MINUTE, blind), 16 * 2**30)
    assert frame[["series", "value"]].to_numpy().tolist() == [["Memory", 0.5], ["Load", 0.5]]


def test_traffic_leaves_out_what_is_unknown_and_colours_failures() -> None:
    """A minute without an answer has no time to first token; failures are red in every chart."""
    chart = traffic(
        [POINT], [("p95", lambda p: p.first_token_p95), (FAILED, lambda p: p.failed)], "ms"
    ).to_dict()
    [rows] = chart["datasets"].values()
    assert [(each["series"], each["value"]) for each in rows] == [(FAILED, 1)]
    assert chart["encoding"]["color"]["scale"]["range"][1] == WRONG


def test_a_chart_names_no_foreign_data() -> None:
    """Its data come with it; nothing is loaded by address."""
    frame = usage_frame(history(MINUTE), 16 * 2**30)
    assert "url" not in usage(frame).to_dict()["data"]
