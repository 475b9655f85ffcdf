"""What became of the last order of this session that the flows' process carries out."""

from typing import cast

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.widgets.units import of, plain, prose, share
from modelyard.serving.wire.admin.registered import LifecycleRun
from modelyard.serving.wire.admin.run_orders import RunOrderReply

_ORDER = "order"


def follow(order: RunOrderReply) -> str:
    """Show from now on how this order goes; returns nothing to say beside that."""
    st.session_state[_ORDER] = order.id
    return ""


def progress(gateway: GatewayClient) -> None:
    """How the order goes; drawn with the part of the page that refreshes itself."""
    order_id = cast("str | None", st.session_state.get(_ORDER))
    if order_id is None:
        return
    order = gateway.order(order_id)
    subject = f"{order.kind.capitalize()} {order.subject}"
    if order.state == "waiting":
        st.info(prose(f"{subject}: ordered; it is about to be carried out."))
    elif order.state == "refused":
        st.error(prose(f"{subject}: {order.message}"))
    elif order.run is None or order.kind == "cancel":
        st.success(prose(f"{subject}: {order.message}"))
    else:
        _run(subject, order.run)


def _run(subject: str, run: LifecycleRun) -> None:
    if run.state == "completed":
        st.success(prose(f"{subject}: {run.message}"))
    elif run.state == "running":
        step = plain(run.step[:1].upper() + run.step[1:] or "Starting")
        amount = f", {share(of(run.done, run.total))}" if run.total else ""
        st.progress(of(run.done, run.total) or 0.0, f"{plain(subject)}: {step}{amount}")
    else:
        st.error(prose(f"{subject}: {run.state}. {run.message}"))
