"""The models page: every version with aliases, size, quality and devices."""

from collections.abc import Iterable
from typing import Any

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.session import DashboardSession
from modelyard.dashboard.widgets import heading, tables
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.live import live
from modelyard.dashboard.widgets.units import UNKNOWN, age, ago, count, decimal, plain, size
from modelyard.serving.wire.admin.registered import RegisteredModel, RegisteredVersion

ADD = "modelyard models add Qwen/Qwen2.5-0.5B-Instruct-GGUF --file '*q8_0.gguf'"

NUMBERS = {
    "Version": count,
    "Size": size,
    "Context": count,
    "Perplexity": decimal,
    "Tokens/s": count,
    "Added": ago,
}


def show(login: DashboardSession, refresh_s: float) -> None:
    heading.show("Models", login)
    live(login.gateway, refresh_s, _draw)


def _draw(gateway: GatewayClient) -> None:
    models = gateway.models()
    if not models:
        st.info("There is no model yet. This brings the first one in:")
        st.code(ADD, language="shell")
        return
    rows = [
        _row(_title(model) if position == 0 else "", version)
        for model in models
        for position, version in enumerate(model.versions)
    ]
    tables.show(rows, NUMBERS)


def _title(model: RegisteredModel) -> str:
    private = badge("private", "private") if model.visibility == "private" else ""
    return f"**{plain(model.name)}** {private}"


def _row(title: str, version: RegisteredVersion) -> dict[str, Any]:
    return {
        "Model": title,
        "Version": version.number,
        "Aliases": _row_of(_aliases(version)),
        "Kind": plain(version.kind),
        "Quantisation": plain(version.quantization or UNKNOWN),
        "Size": version.size,
        "Context": version.context_length,
        "Perplexity": version.metrics.get("perplexity"),
        "Tokens/s": version.metrics.get("tokens_per_second"),
        "Licence": plain(version.licence or UNKNOWN),
        "Loaded on": _row_of(badge(on.device_id, on.state) for on in version.engines),
        "Added": age(version.created_at),
    }


def _aliases(version: RegisteredVersion) -> list[str]:
    """Badges of the version's aliases and of aliases it is being prepared for."""
    coming = [badge(f"preparing {p.alias}", "loading") for p in version.preparing]
    return [badge(alias, "alias") for alias in version.aliases] + coming


def _row_of(badges: Iterable[str]) -> str:
    return " ".join(badges) or UNKNOWN
