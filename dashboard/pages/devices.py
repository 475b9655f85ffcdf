"""The devices page: memory, load and temperature of each, and the versions loaded on it."""

from datetime import UTC, datetime
from typing import cast

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.session import DashboardSession
from modelyard.dashboard.widgets import heading
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.charts import History, past, usage
from modelyard.dashboard.widgets.live import live
from modelyard.dashboard.widgets.units import (
    count,
    duration,
    measure,
    of,
    plain,
    prose,
    share,
    size,
)
from modelyard.serving.wire.admin.devices import DeviceSummary
from modelyard.serving.wire.admin.registered import RegisteredModel


def show(login: DashboardSession, refresh_s: float) -> None:
    heading.show("Devices", login)
    live(login.gateway, refresh_s, _draw)


def _draw(gateway: GatewayClient) -> None:
    gpus = gateway.gpus()
    models = gateway.models()
    if not gpus:
        st.info("No worker is running. `modelyard worker --device cpu-0` starts one.")
    history = _history()
    for gpu in gpus:
        history.add(gpu, datetime.now(UTC))
        with st.container(border=True):
            _title(gpu)
            if gpu.reason:
                st.error(prose(gpu.reason))
            _figures(gpu)
            _loaded(gpu, models)
            frame = history.frame(gpu.gpu_id)
            if not frame.empty:
                st.altair_chart(usage(frame), key=f"usage-{gpu.gpu_id}")
            _last_hour(gateway, gpu)


def _last_hour(gateway: GatewayClient, gpu: DeviceSummary) -> None:
    frame = past(gateway.history(gpu.gpu_id), gpu.memory_total)
    if not frame.empty:
        st.caption("Last hour, mean of each minute")
        st.altair_chart(usage(frame, clock="%H:%M"), key=f"hour-{gpu.gpu_id}")


def _history() -> History:
    return cast("History", st.session_state.setdefault("history", History()))


def _title(gpu: DeviceSummary) -> None:
    up = f" · up {duration(gpu.uptime)}" if gpu.uptime is not None else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(gpu.name)}** :gray[{plain(gpu.gpu_id)}{up}]", width="content")
        st.markdown(badge(gpu.status, gpu.status), width="content")


def _figures(gpu: DeviceSummary) -> None:
    memory, load, heat, power, active, waiting = st.columns([2.4, 1.2, 1.2, 1.4, 1, 1])
    with memory:
        _bar("Memory", _memory(gpu), of(gpu.memory_used, gpu.memory_total))
    with load:
        _bar("Load", share(gpu.utilization), of(gpu.utilization, 1.0))
    heat.metric("Temperature", measure(gpu.temperature, "°C"))
    power.metric("Power", _power(gpu))
    active.metric("Running", f"{gpu.active_requests}", help="Requests that are being answered")
    waiting.metric("Waiting", f"{gpu.queued_requests}", help="Requests in this device's queue")


def _bar(label: str, text: str, filled: float | None) -> None:
    st.metric(label, text)
    if filled is not None:
        st.progress(filled)


def _memory(gpu: DeviceSummary) -> str:
    used = gpu.memory_used
    total = gpu.memory_total
    return size(used) if used is None or total is None else f"{size(used)} of {size(total)}"


def _power(gpu: DeviceSummary) -> str:
    used = gpu.power_usage
    limit = gpu.power_limit
    if used is None or limit is None:
        return measure(used, "W")
    return f"{count(used)} of {measure(limit, 'W')}"


def _loaded(gpu: DeviceSummary, models: list[RegisteredModel]) -> None:
    here = [
        (f"{model.name}@{version.number}", on)
        for model in models
        for version in model.versions
        for on in version.engines
        if on.device_id == gpu.gpu_id
    ]
    badges = " ".join(badge(ref, on.state) for ref, on in here)
    st.markdown("Loaded " + (badges or ":gray[nothing yet]"))
    for ref, on in here:
        if on.error:
            st.caption(f"{plain(ref)}: {prose(on.error)}")
