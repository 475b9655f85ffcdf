"""One request's whole story: what was asked, when it ran where, what came of it and was told."""

import json
from collections.abc import Iterable
from typing import Any, cast

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.navigation import link
from modelyard.dashboard.requests_client import RequestsClient
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.settings import DashboardSettings
from modelyard.dashboard.widgets import confirmation, heading, request_callbacks
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.confirmation import Action, ask
from modelyard.dashboard.widgets.live import live
from modelyard.dashboard.widgets.units import UNKNOWN, age, ago, count, duration, plain, prose
from modelyard.serving.wire.admin.requests import RequestDetail

LONGEST_SHOWN = 20_000
"""Characters of a result that the page shows; the whole of it is behind the API."""


def show(login: DashboardSession, settings: DashboardSettings, request_id: str) -> None:
    heading.show("Request", login)
    link("All requests", "requests")
    with confirmation.questions():

        def draw(gateway: GatewayClient) -> None:
            request = RequestsClient(gateway).one(request_id)
            _head(request, gateway)
            _figures(request)
            _story(request)
            _result(request)
            if request.callback_url:
                request_callbacks.draw(gateway, request_id, may_send=login.me.is_admin)

        live(login.gateway, settings.refresh_s, draw)


def _head(request: RequestDetail, gateway: GatewayClient) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(request.model_id)}** :gray[{request.request_id}]", width="content")
        st.markdown(badge(request.status, request.status), width="content")
        if request.completion_time is None:
            _cancel(request, gateway)
    if request.error is not None:
        st.error(prose(f"{request.error.code}: {request.error.message}"))
    if request.status == "processing":
        st.progress(min(max(request.progress, 0.0), 1.0))


def _cancel(request: RequestDetail, gateway: GatewayClient) -> None:
    if st.button("Cancel", key="cancel-request"):
        ask(
            Action(
                title="Cancel this request?",
                about="What it computes now is stopped, and nothing of it is kept.",
                button="Cancel the request",
                act=lambda: RequestsClient(gateway).cancel(request.request_id).message,
            )
        )


def _figures(request: RequestDetail) -> None:
    usage = _usage(request)
    with st.container(horizontal=True, gap="large"):
        for label, text in (
            ("Place in the queue", f"{request.queue_position}" if _waits(request) else UNKNOWN),
            ("Tries", count(request.attempts)),
            ("Device", plain(request.gpu_id or UNKNOWN)),
            ("Prompt tokens", _tokens(usage.get("prompt_tokens"))),
            ("Written tokens", _tokens(usage.get("completion_tokens"))),
            ("Priority", f"{request.priority}"),
        ):
            st.metric(label, text, width="content")


def _waits(request: RequestDetail) -> bool:
    return request.status in ("pending", "queued")


def _usage(request: RequestDetail) -> dict[str, Any]:
    """What the engine counted, where there is an answer."""
    if not isinstance(request.result, dict):
        return {}
    usage = cast("dict[str, Any]", request.result).get("usage")
    return cast("dict[str, Any]", usage) if isinstance(usage, dict) else {}


def _tokens(number: object) -> str:
    return count(number) if isinstance(number, int) else UNKNOWN


def _story(request: RequestDetail) -> None:
    for line in _lines(request):
        st.markdown(line)


def _lines(request: RequestDetail) -> Iterable[str]:
    handed_in = request.submission_time
    yield f"**Handed in** {ago(age(handed_in))}, as {plain(request.type)} for {_limit(request)}"
    if request.batch_id:
        yield f"**Batch** {plain(request.batch_id)}"
    if request.start_time:
        waited = (request.start_time - handed_in).total_seconds()
        yield f"**Began** after {duration(waited)}"
    elif request.estimated_start_time:
        yield f"**Begins** in about {duration(-age(request.estimated_start_time))}"
    if request.completion_time:
        took = (request.completion_time - (request.start_time or handed_in)).total_seconds()
        yield f"**Ended** after {duration(took)} more, {ago(age(request.completion_time))}"
    elif request.estimated_completion_time:
        yield f"**Ends** in about {duration(-age(request.estimated_completion_time))}"


def _limit(request: RequestDetail) -> str:
    return f"at most {duration(request.timeout / 1000)}"


def _result(request: RequestDetail) -> None:
    if request.result is None:
        return
    text = json.dumps(request.result, indent=2, ensure_ascii=False)
    with st.expander("Result"):
        st.code(text[:LONGEST_SHOWN], language="json", wrap_lines=True)
        if len(text) > LONGEST_SHOWN:
            st.caption(f"The first {count(LONGEST_SHOWN)} of {count(len(text))} characters.")
