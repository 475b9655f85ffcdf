"""What runs on one device: the requests that one may see, and how far each is."""

from typing import Any

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.widgets.tables import show
from modelyard.dashboard.widgets.units import UNKNOWN, age, count, duration, plain, share
from modelyard.serving.wire.admin.devices import ActiveRequest, DeviceSummary

MOST_SHOWN = 8


def draw(gateway: GatewayClient, gpu: DeviceSummary) -> None:
    """A table of the longest-running ones; nothing where nothing runs."""
    running = gateway.gpu(gpu.gpu_id).active_requests
    if not running:
        return
    running.sort(key=lambda request: request.start_time)
    rows = [_row(request) for request in running[:MOST_SHOWN]]
    show(rows, {"Running for": duration})
    if len(running) > MOST_SHOWN:
        st.caption(f"And {count(len(running) - MOST_SHOWN)} more.")


def _row(request: ActiveRequest) -> dict[str, Any]:
    return {
        "Runs here": plain(request.model_id),
        "Request": plain(request.request_id[:8]) or UNKNOWN,
        "Done": share(request.progress),
        "Running for": age(request.start_time),
    }
