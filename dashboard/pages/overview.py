"""The first page: what goes through the gateway, and how devices, models and runs are."""

from collections.abc import Sequence

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.navigation import link
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.settings import DashboardSettings
from modelyard.dashboard.widgets import charts, heading
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.live import live
from modelyard.dashboard.widgets.units import (
    UNKNOWN,
    decimal,
    milliseconds,
    of,
    plain,
    share,
    size,
)
from modelyard.serving.wire.admin.devices import DeviceSummary
from modelyard.serving.wire.admin.registered import LifecycleRun, RegisteredModel
from modelyard.serving.wire.admin.traffic import TrafficPoint, TrafficReply

RECENT = 5
"""Whole minutes that the figures on top are about."""


def show(login: DashboardSession, settings: DashboardSettings) -> None:
    heading.show("Overview", login)
    live(login.gateway, settings.refresh_s, _draw)


def _draw(gateway: GatewayClient) -> None:
    traffic = gateway.traffic()
    _figures(traffic)
    _charts(traffic)
    devices, models, runs = st.columns(3)
    with devices, st.container(border=True):
        _devices(gateway.gpus())
    with models, st.container(border=True):
        _models(gateway.models())
    with runs, st.container(border=True):
        _runs(gateway.runs())


def _figures(traffic: TrafficReply) -> None:
    whole = traffic.points[-RECENT - 1 : -1]  # the last minute is not over yet
    seconds = max(1, len(whole)) * traffic.step
    requests = sum(point.requests for point in whole)
    failed = sum(point.failed for point in whole)
    tokens = sum(point.output_tokens for point in whole)
    with st.container(horizontal=True, gap="large"):
        st.metric("Requests a minute", decimal(60 * requests / seconds), width="content")
        st.metric("Output tokens/s", decimal(tokens / seconds), width="content")
        st.metric(
            "First token, p95 of the hour",
            milliseconds(traffic.first_token_p95),
            width="content",
        )
        st.metric("Failed", share(of(failed, requests)), width="content")
    st.caption(f"Means of the last {RECENT} whole minutes")


def _charts(traffic: TrafficReply) -> None:
    points = traffic.points[:-1]
    step = traffic.step
    requests, tokens, first = st.columns(3)
    with requests:
        _chart("Requests a minute", points, [("Answered", _answered), (charts.FAILED, _failed)], "")
    with tokens:
        _chart("Output tokens/s", points, [("Tokens/s", lambda p: p.output_tokens / step)], "")
    with first:
        times: list[charts.Series] = [
            ("Half within", lambda p: p.first_token_p50),
            ("95% within", lambda p: p.first_token_p95),
        ]
        _chart("Time to first token", points, times, "ms")


def _answered(point: TrafficPoint) -> float:
    return point.requests - point.failed


def _failed(point: TrafficPoint) -> float:
    return point.failed


def _chart(
    title: str, points: Sequence[TrafficPoint], series: Sequence[charts.Series], unit: str
) -> None:
    st.markdown(f"**{title}** :gray[last hour]")
    st.altair_chart(charts.traffic(points, series, unit), key=title)


def _devices(devices: Sequence[DeviceSummary]) -> None:
    link("Devices", "devices")
    if not devices:
        st.caption("No worker is running.")
    for device in devices:
        st.markdown(f"{plain(device.name)} {badge(device.status, device.status)}")
        used = of(device.memory_used, device.memory_total)
        if used is not None:
            text = f"{size(device.memory_used)} of {size(device.memory_total)}"
            st.progress(used, text)


def _models(models: Sequence[RegisteredModel]) -> None:
    link("Models", "models")
    if not models:
        st.caption("There is no model yet.")
    for model in models:
        champion = next((v for v in model.versions if "champion" in v.aliases), None)
        with st.container(horizontal=True, vertical_alignment="center"):
            link(plain(model.name), "models", name=model.name)
            if champion:
                st.markdown(badge(f"version {champion.number}", "alias"), width="content")


def _runs(runs: Sequence[LifecycleRun]) -> None:
    link("Runs", "runs")
    if not runs:
        st.caption("Nothing has run yet.")
    for run in runs[:5]:
        step = f" :gray[{plain(run.step.replace('_', ' '))}]" if run.state == "running" else ""
        st.markdown(f"{plain(run.subject) or UNKNOWN} {badge(run.state, run.state)}{step}")
