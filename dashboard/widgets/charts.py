"""Charts of a device's memory and load, since the page was opened and before."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

import altair as alt
import pandas as pd

from modelyard.dashboard.widgets.units import of
from modelyard.serving.wire.admin.devices import DeviceHistoryReply, DeviceSummary

MEMORY = "Memory"
LOAD = "Load"
COLOURS = ("#4f6bed", "#e3873c")
KEPT = 300
"""Points per series: ten minutes at the default interval of 2 s."""


@dataclass(frozen=True, slots=True)
class History:
    """Measurements of each device since the session began, oldest first, bounded."""

    _points: dict[str, deque[tuple[datetime, float | None, float | None]]] = field(
        default_factory=dict[str, deque[tuple[datetime, float | None, float | None]]]
    )

    def add(self, gpu: DeviceSummary, now: datetime) -> None:
        point = (now, of(gpu.memory_used, gpu.memory_total), gpu.utilization)
        self._points.setdefault(gpu.gpu_id, deque(maxlen=KEPT)).append(point)

    def frame(self, gpu_id: str) -> pd.DataFrame:
        """A frame with columns time, series (Memory or Load) and share (0..1)."""
        rows = [
            (time, series, value)
            for time, memory, load in self._points.get(gpu_id, ())
            for series, value in ((MEMORY, memory), (LOAD, load))
            if value is not None
        ]
        return pd.DataFrame(rows, columns=["time", "series", "share"])


def past(history: DeviceHistoryReply, memory_total: int | None) -> pd.DataFrame:
    """The same frame from stored history; times without a measurement are left out."""
    rows = [
        (point.time, series, value)
        for point in history.points
        for series, value in (
            (MEMORY, of(point.memory_used, memory_total)),
            (LOAD, point.utilization),
        )
        if value is not None
    ]
    return pd.DataFrame(rows, columns=["time", "series", "share"])


def usage(frame: pd.DataFrame, clock: str = "%H:%M:%S") -> alt.Chart:
    """A line chart of memory and load over time, in percent of capacity."""
    return (
        alt.Chart(frame, height=170, padding={"left": 0, "right": 8, "top": 0, "bottom": 0})
        .mark_line(interpolate="monotone", strokeWidth=2, point=len(frame) <= 2)
        .encode(
            x=alt.X("time:T", title=None, axis=alt.Axis(format=clock, grid=False, tickCount=6)),
            y=alt.Y(
                "share:Q",
                title=None,
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%", values=[0, 0.5, 1]),
            ),
            color=alt.Color(
                "series:N",
                title=None,
                scale=alt.Scale(domain=[MEMORY, LOAD], range=list(COLOURS)),
                legend=alt.Legend(orient="top", symbolType="stroke", padding=0, offset=4),
            ),
            tooltip=[
                alt.Tooltip("series:N", title="What"),
                alt.Tooltip("share:Q", title="Share", format=".0%"),
                alt.Tooltip("time:T", title="At", format="%H:%M:%S"),
            ],
        )
    )
