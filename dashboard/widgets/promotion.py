"""Promotes a version: beside the page, because it lasts until the version answers."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.widgets.live import complain
from modelyard.dashboard.widgets.units import prose
from modelyard.registry.errors import ModelyardError
from modelyard.serving.wire.admin.promotion import NewPromotion, PromotionReply
from modelyard.serving.wire.admin.registered import RegisteredVersion

WAIT_S = 300.0
_PROMOTION = "promotion"
_THREADS = ThreadPoolExecutor(max_workers=16, thread_name_prefix="promotion")


def form(gateway: GatewayClient, model: str, versions: Sequence[RegisteredVersion]) -> None:
    """Choose one of a model's versions to become its champion, and begin."""
    others = [version.number for version in versions if "champion" not in version.aliases]
    with st.form("promote", border=False):
        number = st.selectbox("Version", others)
        wait = st.checkbox(
            "Load it first",
            value=True,
            help="The name moves once the new version answers; the version of now serves until "
            "then. Without, the name moves at once.",
        )
        if st.form_submit_button("Make it champion", type="primary", width="stretch"):
            begin(gateway, f"{model}@{number}", wait=wait)


def begin(gateway: GatewayClient, ref: str, *, wait: bool) -> None:
    """Make a version champion, beside the page; `outcome` shows how it goes."""
    asked = NewPromotion(model=ref, wait=wait)
    if wait:
        asked.wait_s = WAIT_S
    st.session_state[_PROMOTION] = _THREADS.submit(gateway.promote, asked, WAIT_S)


def outcome() -> None:
    """How the promotion that was begun here goes, or went."""
    running = cast("Future[PromotionReply] | None", st.session_state.get(_PROMOTION))
    if running is None:
        return
    if not running.done():
        st.info("Promoting: the new version is loaded beside the one of now.")
        return
    try:
        reply = running.result()
    except ModelyardError as error:
        complain(error)
    else:
        st.success(prose(f"{reply.model}@{reply.number} is {reply.alias} now. {reply.message}"))
