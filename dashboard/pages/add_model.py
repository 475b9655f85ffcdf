"""The form that brings a model from the Hub; for admins."""

from collections.abc import Mapping
from typing import Any

import streamlit as st
from pydantic import ValidationError

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.widgets import orders
from modelyard.dashboard.widgets.actions import attempt
from modelyard.serving.wire.admin.run_orders import NewIngest


def form(gateway: GatewayClient) -> None:
    """What `modelyard models add` asks for; the run it makes is shown below."""
    with st.form("add-model", border=False):
        repo = st.text_input(
            "Repository",
            max_chars=300,
            placeholder="owner/name",
            help="On the Hugging Face Hub: owner/name, or the address of its page.",
        ).strip()
        file = st.text_input(
            "File",
            max_chars=300,
            placeholder="*q8_0.gguf",
            help="Which GGUF or ONNX file, as a glob; empty: the best that fits the devices.",
        ).strip()
        quantize = st.text_input(
            "Quantize to",
            max_chars=200,
            placeholder="Q4_K_M",
            help="Types to make of it, with commas between; empty: as it is.",
        )
        revision = st.text_input("Revision", value="main", max_chars=300).strip()
        name = st.text_input("Name to keep it under", max_chars=200, placeholder="owner/name")
        private = st.checkbox("Only for me and other admins")
        if not st.form_submit_button("Add the model", type="primary", width="stretch"):
            return
    _order(
        gateway,
        repo,
        {
            "revision": revision or "main",
            "file": file or None,
            "quantize": _types(quantize),
            "name": name.strip() or None,
            "private": private,
        },
    )


def _order(gateway: GatewayClient, repo: str, more: Mapping[str, Any]) -> None:
    """Order the ingest, or say which field is wrong."""
    if not repo:
        st.error("A model needs the name of its repository.")
        return
    try:
        asked = NewIngest(repo=repo, **more)
    except ValidationError as error:
        wrong = error.errors()[0]
        st.error(f"{wrong['loc'][0]}: {wrong['msg']}.")
        return
    attempt(lambda: orders.follow(gateway.add_model(asked)), f"Ordered: {repo}.")


def _types(quantize: str) -> list[str]:
    return [word for part in quantize.split(",") if (word := part.strip())]
