"""One model: its versions with origin, quality and devices, and promotion of one of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.navigation import link
from modelyard.dashboard.pages import model_actions
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.settings import DashboardSettings
from modelyard.dashboard.widgets import confirmation, heading, orders, promotion, tables
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.live import complain, live
from modelyard.dashboard.widgets.units import UNKNOWN, age, ago, count, decimal, plain, prose, size
from modelyard.registry.errors import ModelyardError
from modelyard.serving.wire.admin.registered import RegisteredModel, RegisteredVersion

NUMBERS = {
    "Version": count,
    "Size": size,
    "Context": count,
    "Perplexity": decimal,
    "Tokens/s": count,
    "Added": ago,
}


def show(login: DashboardSession, settings: DashboardSettings, name: str) -> None:
    heading.show(name, login)
    link("All models", "models")
    with confirmation.questions():
        if login.me.is_admin:
            _actions(login.gateway, name)

        def draw(gateway: GatewayClient) -> None:
            promotion.outcome()
            orders.progress(gateway)
            model = _find(gateway, name)
            if model is None:
                st.info(prose(f"There is no model `{name}` that you may see."))
            else:
                _versions(model)
                _origins(model, settings)

        live(login.gateway, settings.refresh_s, draw)


def meant(versions: Sequence[RegisteredVersion]) -> RegisteredVersion:
    """The version that the model's name alone stands for."""
    return next((v for v in versions if "champion" in v.aliases), versions[0])


def _actions(gateway: GatewayClient, name: str) -> None:
    try:
        model = _find(gateway, name)
    except ModelyardError as error:
        complain(error)
        return
    if model is not None:
        model_actions.show(gateway, model)


def _find(gateway: GatewayClient, name: str) -> RegisteredModel | None:
    return next((model for model in gateway.models() if model.name == name), None)


def _versions(model: RegisteredModel) -> None:
    tables.show([_row(version) for version in model.versions], NUMBERS)
    for version in model.versions:
        for on in version.engines:
            if on.error:
                st.error(prose(f"Version {version.number} on {on.device_id}: {on.error}"))


def _row(version: RegisteredVersion) -> dict[str, Any]:
    return {
        "Version": version.number,
        "Aliases": _row_of(_aliases(version)),
        "Quantization": plain(version.quantization or version.format),
        "Size": version.size,
        "Context": version.context_length,
        "Perplexity": version.metrics.get("perplexity"),
        "Tokens/s": version.metrics.get("tokens_per_second"),
        "Loaded on": _row_of(badge(on.device_id, on.state) for on in version.engines),
        "Added": age(version.created_at),
    }


def _aliases(version: RegisteredVersion) -> list[str]:
    """Badges of the version's aliases and of aliases it is being prepared for."""
    coming = [badge(f"preparing {p.alias}", "loading") for p in version.preparing]
    return [badge(alias, "alias") for alias in version.aliases] + coming


def _row_of(badges: Iterable[str]) -> str:
    return " ".join(badges) or UNKNOWN


def _origins(model: RegisteredModel, settings: DashboardSettings) -> None:
    """Where each version came from, its licence and all that was measured."""
    for version in model.versions:
        with st.expander(f"Version {version.number}: origin and measurements"):
            measured = ", ".join(f"{name} {value:g}" for name, value in version.metrics.items())
            for label, text in (
                ("Repository", version.repo),
                ("Commit", version.revision),
                ("SHA-256", version.sha256),
                ("Architecture", version.architecture),
                ("Licence", version.licence or UNKNOWN),
                ("Adapters", ", ".join(version.adapters) or UNKNOWN),
                ("Measured", measured or UNKNOWN),
            ):
                st.markdown(f"**{label}** {plain(text)}")
            if settings.mlflow_ui_url:
                name = model.name.replace("/", "--")
                address = f"{settings.mlflow_ui_url}/#/models/{name}"
                st.link_button("In MLflow", address)
