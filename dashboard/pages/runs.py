"""The runs page: the progress of running lifecycle runs, and the results of finished ones."""

from typing import Any

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.pages import run_actions
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.settings import DashboardSettings
from modelyard.dashboard.widgets import confirmation, heading, orders, tables
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.live import live
from modelyard.dashboard.widgets.units import UNKNOWN, age, ago, duration, of, plain, share, size
from modelyard.serving.wire.admin.registered import LifecycleRun


def show(login: DashboardSession, settings: DashboardSettings) -> None:
    heading.show("Lifecycle runs", login)
    with confirmation.questions():
        wanted = st.segmented_control(
            "Results", ["All", "Failed", "Completed"], default="All", label_visibility="collapsed"
        )
        if login.me.is_admin:
            run_actions.repeat(login.gateway)

        def draw(gateway: GatewayClient) -> None:
            orders.progress(gateway)
            runs = gateway.runs()
            _draw(runs, (wanted or "All").lower(), settings.prefect_ui_url, login)

        live(login.gateway, settings.refresh_s, draw)


def _draw(runs: list[LifecycleRun], wanted: str, prefect: str, login: DashboardSession) -> None:
    running = [run for run in runs if run.state == "running"]
    finished = [run for run in runs if run.state != "running"]
    shown = [run for run in finished if wanted in ("all", run.state)]
    if not runs:
        st.info("Nothing has run yet. `modelyard models add OWNER/NAME` starts an ingest.")
    for run in running:
        _progress(run, prefect, login)
    if shown:
        st.markdown("**Finished**")
        tables.show([_row(run, prefect) for run in shown], {"Took": duration, "Ended": ago})
    elif finished:
        st.caption(f"None of the latest {len(runs)} runs.")


def _progress(run: LifecycleRun, prefect: str, login: DashboardSession) -> None:
    with st.container(border=True, gap="small"):
        st.markdown(f"**{plain(run.subject)}** :gray[{plain(run.flow)}]{_in_prefect(run, prefect)}")
        st.progress(of(run.done, run.total) or 0.0, _step(run))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Started {ago(age(run.started_at))}", width="content")
            if login.me.is_admin:
                run_actions.cancel(login.gateway, run)


def _step(run: LifecycleRun) -> str:
    step = plain(run.step[:1].upper() + run.step[1:] or "Starting")
    if not run.total:
        return step
    return f"{step}: {_amount(run)}, {share(of(run.done, run.total))}"


def _amount(run: LifecycleRun) -> str:
    if run.unit == "bytes":
        return f"{size(run.done)} of {size(run.total)}"
    return f"{run.done:,} of {run.total:,} {plain(run.unit)}".rstrip()


def _row(run: LifecycleRun, prefect: str) -> dict[str, Any]:
    return {
        "What": plain(run.subject),
        "Flow": plain(run.flow) + _in_prefect(run, prefect),
        "Result": badge(run.state, run.state),
        "Message": plain(run.message or UNKNOWN),
        "Took": (run.updated_at - run.started_at).total_seconds(),
        "Ended": age(run.updated_at),
    }


def _in_prefect(run: LifecycleRun, prefect: str) -> str:
    """A link to the run in Prefect's pages, where it is known there and these are known here."""
    if not (prefect and run.prefect_run_id):
        return ""
    return f" [in Prefect]({prefect}/runs/flow-run/{plain(run.prefect_run_id)})"
