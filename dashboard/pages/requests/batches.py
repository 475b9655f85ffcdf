"""Batches on the requests page: how far each is, and a button that cancels one."""

from typing import Any

import streamlit as st

from modelyard.dashboard.batches_client import BatchesClient, ListedBatch
from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.confirmation import Action, ask
from modelyard.dashboard.widgets.pager import Pager
from modelyard.dashboard.widgets.tables import show
from modelyard.dashboard.widgets.units import UNKNOWN, age, ago, count, of, plain

PAGE = 10


def draw(gateway: GatewayClient) -> None:
    """One's own batches, the latest first; nothing where there is none."""
    batches = BatchesClient(gateway)
    pager = Pager("batches", "")
    page = batches.page({"limit": PAGE} | pager.asked("after"))
    if not page.data:
        return
    st.markdown("**Batches**")
    for batch in page.data:
        if not batch.is_ended:
            _running(batches, batch)
    ended = [_row(batch) for batch in page.data if batch.is_ended]
    if ended:
        show(ended, {"Requests": count, "Failed": count, "Handed in": ago})
    pager.buttons(page.last_id if page.has_more else None)


def _running(batches: BatchesClient, batch: ListedBatch) -> None:
    counts = batch.request_counts
    done = counts.completed + counts.failed
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            title = f"**{plain(batch.id)}** :gray[{plain(batch.endpoint)}]"
            st.markdown(title, width="content")
            st.markdown(badge(batch.status, batch.status), width="content")
            if st.button("Cancel", key=f"cancel-{batch.id}", disabled=batch.is_cancelling):
                _ask_cancel(batches, batch)
        failed = f", {count(counts.failed)} failed" if counts.failed else ""
        text = f"{count(done)} of {count(counts.total)}{failed}"
        st.progress(of(done, counts.total) or 0.0, text)


def _ask_cancel(batches: BatchesClient, batch: ListedBatch) -> None:
    def cancel() -> str:
        batches.cancel(batch.id)
        return "The batch is being cancelled."

    about = "What has not begun is dropped; the output of what is done is kept."
    ask(Action("Cancel this batch?", about, "Cancel the batch", cancel))


def _row(batch: ListedBatch) -> dict[str, Any]:
    return {
        "Batch": plain(batch.id),
        "For": plain(batch.endpoint or UNKNOWN),
        "Status": badge(batch.status, batch.status),
        "Requests": batch.request_counts.total,
        "Failed": batch.request_counts.failed,
        "Handed in": age(batch.created_at),
    }
