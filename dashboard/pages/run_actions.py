"""What an admin does about runs: cancel one that goes on, repeat one that came to nothing."""

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.widgets import orders
from modelyard.dashboard.widgets.confirmation import Action, ask, popover
from modelyard.dashboard.widgets.live import complain
from modelyard.dashboard.widgets.units import age, ago
from modelyard.registry.errors import ModelyardError
from modelyard.serving.wire.admin.registered import LifecycleRun


def cancel(gateway: GatewayClient, run: LifecycleRun) -> None:
    """A button of one run; a run that Prefect does not know has none."""
    if run.prefect_run_id and st.button("Cancel", key=f"cancel-{run.id}"):
        ask(
            Action(
                title="Cancel this run?",
                about=f"{run.subject} is ended, and what it has downloaded is cleared away.",
                button="Cancel the run",
                act=lambda: orders.follow(gateway.cancel_run(run.id)),
            )
        )


def repeat(gateway: GatewayClient) -> None:
    """A choice among the runs that failed, were cancelled or interrupted."""
    try:
        runs = gateway.runs()
    except ModelyardError as error:
        complain(error)
        return
    ended = {run.id: run for run in runs if _is_repeatable(run)}
    if not ended:
        return
    with popover("Repeat a run"), st.form("repeat", border=False):
        chosen = st.selectbox("Run", list(ended), format_func=lambda each: _label(ended[each]))
        st.caption("It continues where it was, and does nothing twice.")
        if st.form_submit_button("Run it again", type="primary", width="stretch"):
            run = ended[chosen]
            ask(
                Action(
                    title="Repeat this run?",
                    about=f"{run.subject} runs again with what it was asked for.",
                    button="Repeat it",
                    act=lambda: orders.follow(gateway.retry_run(run.id)),
                )
            )


def _is_repeatable(run: LifecycleRun) -> bool:
    return run.prefect_run_id is not None and run.state not in {"running", "completed"}


def _label(run: LifecycleRun) -> str:
    return f"{run.subject}, {run.state} {ago(age(run.updated_at))}"
