"""The models page: all models, or one of them with its versions."""

from collections.abc import Iterable, Sequence

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.navigation import link
from modelyard.dashboard.pages import add_model, one_model
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.settings import DashboardSettings
from modelyard.dashboard.widgets import heading, orders
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.live import live
from modelyard.dashboard.widgets.units import UNKNOWN, age, ago, count, plain, size
from modelyard.serving.wire.admin.registered import RegisteredModel, RegisteredVersion

ADD = "modelyard models add Qwen/Qwen2.5-0.5B-Instruct-GGUF --file '*q8_0.gguf'"


def show(login: DashboardSession, settings: DashboardSettings) -> None:
    name = st.query_params.get("name")
    if name:
        one_model.show(login, settings, name)
        return
    heading.show("Models", login)
    if login.me.is_admin:
        with st.popover("Add a model"):
            add_model.form(login.gateway)
    live(login.gateway, settings.refresh_s, _draw)


def _draw(gateway: GatewayClient) -> None:
    orders.progress(gateway)
    models = gateway.models()
    if not models:
        st.info("There is no model yet. This brings the first one in:")
        st.code(ADD, language="shell")
    for model in models:
        with st.container(border=True, gap="small"):
            _card(model)


def _card(model: RegisteredModel) -> None:
    meant = one_model.meant(model.versions)
    with st.container(horizontal=True, vertical_alignment="center"):
        link(f"**{plain(model.name)}**", "models", name=model.name)
        private = badge("private", "private") if model.visibility == "private" else ""
        st.markdown(f"{badge(meant.kind, 'kind')} {private}", width="content")
    st.markdown(" · ".join(_facts(model.versions, meant)))
    st.markdown("Loaded " + (_loaded(model.versions) or ":gray[nowhere]"))


def _facts(versions: Sequence[RegisteredVersion], meant: RegisteredVersion) -> Iterable[str]:
    """What the name alone stands for, in few words."""
    yield f"version {meant.number} of {len(versions)}"
    yield plain(meant.quantization or meant.format)
    yield size(meant.size)
    if meant.context_length:
        yield f"context {count(meant.context_length)}"
    speed = meant.metrics.get("tokens_per_second")
    if speed is not None:
        yield f"{count(speed)} tokens/s when measured"
    yield plain(meant.licence or UNKNOWN)
    yield f"added {ago(age(meant.created_at))}"


def _loaded(versions: Sequence[RegisteredVersion]) -> str:
    return " ".join(
        badge(f"{version.number} on {on.device_id}", on.state)
        for version in versions
        for on in version.engines
    )
