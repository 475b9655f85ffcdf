"""Batches on the requests page: how far each is, and a button that cancels one's own."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from modelyard.dashboard.batches_client import BatchesClient
from modelyard.dashboard.pages.requests.filters import RequestFilters
from modelyard.dashboard.widgets.badges import badge
from modelyard.dashboard.widgets.confirmation import Action, ask
from modelyard.dashboard.widgets.pager import Pager
from modelyard.dashboard.widgets.tables import show
from modelyard.dashboard.widgets.units import UNKNOWN, age, ago, count, of, plain
from modelyard.registry.batches.batch import BatchStatus
from modelyard.serving.wire.admin.batches import BatchSummary

PAGE = 10


@dataclass(frozen=True, slots=True)
class BatchesOnPage:
    """The batches that somebody of the id `me` sees: an admin everybody's, by the filters' user."""

    batches: BatchesClient
    filters: RequestFilters
    me: str

    def draw(self) -> None:
        """The latest first; nothing where there is none."""
        pager = Pager("batches", self.filters.user_id)
        user = {"user_id": self.filters.user_id} if self.filters.user_id else {}
        page = self.batches.page({"limit": PAGE} | user | pager.asked())
        if not page.batches:
            return
        st.markdown("**Batches**")
        for batch in page.batches:
            if not batch.status.is_end:
                self._running(batch)
        ended = [self._row(batch) for batch in page.batches if batch.status.is_end]
        if ended:
            show(ended, {"Requests": count, "Failed": count, "Handed in": ago})
        pager.buttons(page.next_cursor)

    def _running(self, batch: BatchSummary) -> None:
        counts = batch.counts
        done = counts.completed + counts.failed + counts.cancelled
        with st.container(border=True, gap="small"):
            with st.container(horizontal=True, vertical_alignment="center"):
                owner = plain(self.filters.name_of(batch.user_id)) if self.filters.users else ""
                title = f"**{plain(batch.batch_id)}** :gray[{plain(batch.endpoint)} {owner}]"
                st.markdown(title, width="content")
                st.markdown(badge(batch.status, batch.status), width="content")
                self._cancel_button(batch)
            failed = f", {count(counts.failed)} failed" if counts.failed else ""
            text = f"{count(done)} of {count(counts.total)}{failed}"
            st.progress(of(done, counts.total) or 0.0, text)

    def _cancel_button(self, batch: BatchSummary) -> None:
        if batch.user_id != self.me:
            return
        is_asked = batch.status is BatchStatus.CANCELLING
        if st.button("Cancel", key=f"cancel-{batch.batch_id}", disabled=is_asked):
            self._ask_cancel(batch)

    def _ask_cancel(self, batch: BatchSummary) -> None:
        def cancel() -> str:
            self.batches.cancel(batch.batch_id)
            return "The batch is being cancelled."

        about = "What has not begun is dropped; the output of what is done is kept."
        ask(Action("Cancel this batch?", about, "Cancel the batch", cancel))

    def _row(self, batch: BatchSummary) -> dict[str, Any]:
        users = self.filters.users
        owner = {"User": plain(self.filters.name_of(batch.user_id))} if users else {}
        return {
            "Batch": plain(batch.batch_id),
            "For": plain(batch.endpoint or UNKNOWN),
            "Status": badge(batch.status, batch.status),
            **owner,
            "Requests": batch.counts.total,
            "Failed": batch.counts.failed,
            "Handed in": age(batch.submission_time),
        }
