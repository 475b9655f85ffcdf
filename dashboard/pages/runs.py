"""The runs page: the progress of running lifecycle runs, and the results of finished ones."""

from typing import Any

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.session import DashboardSession
from modelyard.dashboard.widgets import heading, tables
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.live import live
from modelyard.dashboard.widgets.units import UNKNOWN, age, ago, duration, of, plain, share, size
from modelyard.serving.wire.admin.registered import LifecycleRun


def show(login: DashboardSession, refresh_s: float) -> None:
    heading.show("Lifecycle runs", login)
    live(login.gateway, refresh_s, _draw)


def _draw(gateway: GatewayClient) -> None:
    runs = gateway.runs()
    running = [run for run in runs if run.state == "running"]
    finished = [run for run in runs if run.state != "running"]
    if not runs:
        st.info("Nothing has run yet. `modelyard models add OWNER/NAME` starts an ingest.")
    for run in running:
        _progress(run)
    if finished:
        st.markdown("**Finished**")
        tables.show([_row(run) for run in finished], {"Took": duration, "Ended": ago})


def _progress(run: LifecycleRun) -> None:
    with st.container(border=True):
        st.markdown(f"**{plain(run.subject)}** :gray[{plain(run.flow)}]")
        st.progress(of(run.done, run.total) or 0.0, _step(run))
        st.caption(f"Started {ago(age(run.started_at))}")


def _step(run: LifecycleRun) -> str:
    step = plain(run.step[:1].upper() + run.step[1:] or "Starting")
    if not run.total:
        return step
    return f"{step}: {_amount(run)}, {share(of(run.done, run.total))}"


def _amount(run: LifecycleRun) -> str:
    if run.unit == "bytes":
        return f"{size(run.done)} of {size(run.total)}"
    return f"{run.done:,} of {run.total:,} {plain(run.unit)}".rstrip()


def _row(run: LifecycleRun) -> dict[str, Any]:
    return {
        "What": plain(run.subject),
        "Flow": plain(run.flow),
        "Result": badge(run.state, run.state),
        "Message": plain(run.message or UNKNOWN),
        "Took": (run.updated_at - run.started_at).total_seconds(),
        "Ended": age(run.updated_at),
    }
