"""Charts over time: a device's memory and load, and the gateway's traffic."""

from collections.abc import Callable, Sequence

import altair as alt
import pandas as pd

from modelyard.dashboard.widgets.units import of
from modelyard.serving.wire.admin.devices import DeviceHistoryReply
from modelyard.serving.wire.admin.traffic import TrafficPoint

COLOURS = ("#4f6bed", "#e3873c")
WRONG = "#d64550"
"""Colours of a chart's series, seen on white and on black; WRONG is that of failures."""

FAILED = "Failed"
COLUMNS = ["time", "series", "value"]
_NO_PADDING = {"left": 0, "right": 8, "top": 0, "bottom": 0}


def usage_frame(history: DeviceHistoryReply, memory_total: int | None) -> pd.DataFrame:
    """Memory and load as shares (0..1); times without a measurement are left out."""
    rows = [
        (point.time, series, value)
        for point in history.points
        for series, value in (
            ("Memory", of(point.memory_used, memory_total)),
            ("Load", point.utilization),
        )
        if value is not None
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def usage(frame: pd.DataFrame) -> alt.Chart:
    """Lines of memory and load in percent of capacity."""
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format="%", values=[0, 0.5, 1])
    y = alt.Y("value:Q", title=None, scale=scale, axis=axis)
    return _lines(frame, ["Memory", "Load"], y, ".0%", height=120)


Series = tuple[str, Callable[[TrafficPoint], float | None]]


def traffic(points: Sequence[TrafficPoint], series: Sequence[Series], unit: str) -> alt.Chart:
    """Lines over time, each a title and what it takes of a point, in `unit`."""
    rows = [
        (point.time, title, value)
        for point in points
        for title, take in series
        if (value := take(point)) is not None
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    y = alt.Y("value:Q", title=unit, scale=alt.Scale(domainMin=0), axis=alt.Axis(tickCount=3))
    return _lines(frame, [title for title, _ in series], y, ",.4~g", height=150)


def _lines(
    frame: pd.DataFrame, names: Sequence[str], y: alt.Y, number: str, *, height: int
) -> alt.Chart:
    colours = [WRONG if name == FAILED else COLOURS[i] for i, name in enumerate(names)]
    scale = alt.Scale(domain=list(names), range=colours)
    legend = alt.Legend(orient="top", symbolType="stroke", padding=0, offset=4)
    return (
        alt.Chart(frame, height=height, padding=_NO_PADDING)
        .mark_line(interpolate="monotone", strokeWidth=2, point=len(frame) <= 2)
        .encode(
            x=alt.X("time:T", title=None, axis=alt.Axis(format="%H:%M", grid=False, tickCount=6)),
            y=y,
            color=alt.Color("series:N", title=None, scale=scale, legend=legend),
            tooltip=[
                alt.Tooltip("series:N", title="What"),
                alt.Tooltip("value:Q", title="Value", format=number),
                alt.Tooltip("time:T", title="At", format="%H:%M:%S"),
            ],
        )
    )
