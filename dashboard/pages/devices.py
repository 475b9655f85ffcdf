"""The devices page: memory, load and temperature of each, and the versions loaded on it."""

from collections.abc import Sequence

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.settings import DashboardSettings
from modelyard.dashboard.widgets import charts, heading, running_requests
from modelyard.dashboard.widgets.actions import attempt
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.live import complain, live
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
from modelyard.registry.errors import ModelyardError
from modelyard.serving.wire.admin.devices import DeviceSummary
from modelyard.serving.wire.admin.registered import RegisteredModel


def show(login: DashboardSession, settings: DashboardSettings) -> None:
    heading.show("Devices", login)
    if login.me.is_admin:
        with st.popover("Maintenance"):
            _maintenance(login.gateway)
    live(login.gateway, settings.refresh_s, _draw)


def _maintenance(gateway: GatewayClient) -> None:
    """Forms outside the part that refreshes itself, so that nothing typed is lost."""
    try:
        names = {gpu.gpu_id: f"{gpu.name} ({gpu.gpu_id})" for gpu in gateway.gpus()}
    except ModelyardError as error:
        complain(error)
        return
    if not names:
        st.caption("There is no device.")
        return
    with st.form("maintenance", border=False):
        gpu_id = st.selectbox("Device", list(names), format_func=lambda each: names[each])
        reason = st.text_input("Reason", max_chars=500, help="Shown to whoever looks at it.")
        out = st.form_submit_button("Take it out of work", width="stretch")
        back = st.form_submit_button("Give it back", width="stretch")
        clear = st.form_submit_button("Clear its faults", width="stretch")
    if out or back:
        attempt(
            lambda: gateway.set_maintenance(gpu_id, on=out, reason=reason),
            "What runs on it may finish; nothing new goes there."
            if out
            else "It takes work again.",
        )
    elif clear:
        attempt(lambda: gateway.clear_faults(gpu_id), "Its faults are cleared.")


def _draw(gateway: GatewayClient) -> None:
    gpus = gateway.gpus()
    models = gateway.models()
    if not gpus:
        st.info("No worker is running. `modelyard worker --device cpu-0` starts one.")
    for gpu in gpus:
        with st.container(border=True, gap="small"):
            _title(gpu)
            if gpu.reason:
                st.error(prose(gpu.reason))
            figures, hour = st.columns([1, 1.2])
            with figures:
                _figures(gpu)
                _loaded(gpu, models)
            with hour:
                _last_hour(gateway, gpu)
            running_requests.draw(gateway, gpu)


def _last_hour(gateway: GatewayClient, gpu: DeviceSummary) -> None:
    frame = charts.usage_frame(gateway.history(gpu.gpu_id), gpu.memory_total)
    if not frame.empty:
        st.caption("Last hour, mean of each minute")
        st.altair_chart(charts.usage(frame), key=f"hour-{gpu.gpu_id}")


def _title(gpu: DeviceSummary) -> None:
    up = f" · up {duration(gpu.uptime)}" if gpu.uptime is not None else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(gpu.name)}** :gray[{plain(gpu.gpu_id)}{up}]", width="content")
        st.markdown(badge(gpu.status, gpu.status), width="content")


def _figures(gpu: DeviceSummary) -> None:
    with st.container(horizontal=True, gap="medium"):
        for label, text, about in (
            ("Memory", _memory(gpu), None),
            ("Load", share(gpu.utilization), None),
            ("Temperature", measure(gpu.temperature, "°C"), None),
            ("Power", _power(gpu), None),
            ("Running", f"{gpu.active_requests}", "Requests that are being answered"),
            ("Waiting", f"{gpu.queued_requests}", "Requests in this device's queue"),
        ):
            st.metric(label, text, help=about, width="content")
    filled = of(gpu.memory_used, gpu.memory_total)
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


def _loaded(gpu: DeviceSummary, models: Sequence[RegisteredModel]) -> None:
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
