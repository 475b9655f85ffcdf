"""The requests page: what waits by model and priority, requests by filters, and batches."""

from typing import Any

import streamlit as st

from modelyard.dashboard.batches_client import BatchesClient
from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.pages.requests import one_request
from modelyard.dashboard.pages.requests.batches import BatchesOnPage
from modelyard.dashboard.pages.requests.filters import RequestFilters, choose
from modelyard.dashboard.requests_client import RequestsClient
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.settings import DashboardSettings
from modelyard.dashboard.widgets import confirmation, heading, tables
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.live import live
from modelyard.dashboard.widgets.pager import Pager
from modelyard.dashboard.widgets.units import UNKNOWN, age, ago, count, duration, plain, share
from modelyard.serving.wire.admin.requests import QueueLine, RequestSummary

PAGE = 25


def show(login: DashboardSession, settings: DashboardSettings) -> None:
    request_id = st.query_params.get("id")
    if request_id:
        one_request.show(login, settings, request_id)
        return
    heading.show("Requests", login)
    with confirmation.questions():
        filters = choose(login)

        def draw(gateway: GatewayClient) -> None:
            requests = RequestsClient(gateway)
            _queue(requests.queue())
            _listed(requests, filters)
            BatchesOnPage(BatchesClient(gateway), filters, login.me.user_id).draw()

        live(login.gateway, settings.refresh_s, draw)


def _queue(lines: list[QueueLine]) -> None:
    st.markdown("**Queue**")
    if not lines:
        st.caption("Nothing waits.")
        return
    rows = [
        {
            "Model": plain(line.model_id),
            "Priority": line.priority,
            "Waiting": line.waiting,
            "Running": line.processing,
            "Longest wait": age(line.oldest) if line.oldest else None,
        }
        for line in sorted(lines, key=lambda line: (line.model_id, -line.priority))
    ]
    numbers = {"Priority": count, "Waiting": count, "Running": count, "Longest wait": duration}
    tables.show(rows, numbers)


def _listed(requests: RequestsClient, filters: RequestFilters) -> None:
    st.markdown("**Requests**")
    pager = Pager("requests", filters.key)
    page = requests.page(filters.asked() | {"limit": PAGE} | pager.asked())
    if page.requests:
        rows = [_row(request, filters) for request in page.requests]
        tables.show(rows, {"Tries": count, "Took": duration, "Handed in": ago})
    else:
        st.caption("There is no request of that kind.")
    pager.buttons(page.next_cursor)


def _row(request: RequestSummary, filters: RequestFilters) -> dict[str, Any]:
    owner = {"User": plain(filters.name_of(request.user_id))} if filters.users else {}
    return {
        "Request": f"[{request.request_id[:8]}](requests?id={request.request_id})",
        "Status": _status(request),
        "Model": plain(request.model_id),
        **owner,
        "Type": plain(request.type),
        "Priority": f"{request.priority}",
        "Device": plain(request.gpu_id or UNKNOWN),
        "Tries": request.attempts,
        "Took": took(request),
        "Handed in": age(request.submission_time),
    }


def _status(request: RequestSummary) -> str:
    if request.status == "processing":
        return badge(f"{request.status} {share(request.progress)}", request.status)
    if request.error is not None:
        return badge(request.error.code, request.status)
    return badge(request.status, request.status)


def took(request: RequestSummary) -> float | None:
    """Seconds from its submission to its end; None while it has none."""
    ended = request.completion_time
    return (ended - request.submission_time).total_seconds() if ended else None
