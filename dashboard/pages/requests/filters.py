"""What the requests page shows: by status, model, time and, for admins, user."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import streamlit as st

from modelyard.dashboard.client import GatewayClient
from modelyard.dashboard.sessions import DashboardSession
from modelyard.dashboard.widgets.live import complain
from modelyard.registry.errors import ModelyardError

STATUSES = ("All", "Pending", "Queued", "Processing", "Completed", "Failed", "Cancelled")
"""What waits is pending until it was tried once; then it is queued."""

TIMES = {
    "Always": None,
    "Last hour": timedelta(hours=1),
    "Last day": timedelta(days=1),
    "Last week": timedelta(days=7),
}


@dataclass(frozen=True, slots=True)
class RequestFilters:
    """What is wanted; `users` are the names by id where an admin looks, else there are none."""

    status: str = ""
    model: str = ""
    user_id: str = ""
    within: timedelta | None = None
    users: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def key(self) -> str:
        return f"{self.status}|{self.model}|{self.user_id}|{self.within}"

    def asked(self) -> dict[str, str | int]:
        """The parameters of `GET /api/v1/requests`."""
        since = f"{datetime.now(UTC) - self.within:%Y-%m-%dT%H:%M:%SZ}" if self.within else ""
        wanted = {
            "status": self.status,
            "model": self.model,
            "user_id": self.user_id,
            "since": since,
        }
        return {name: value for name, value in wanted.items() if value}

    def name_of(self, user_id: str) -> str:
        return self.users.get(user_id, user_id)


def choose(login: DashboardSession) -> RequestFilters:
    """The filters that stand above the page, outside the part that refreshes itself."""
    try:
        models = [model.name for model in login.gateway.models()]
        users = _users(login.gateway) if login.me.is_admin else {}
    except ModelyardError as error:
        complain(error)
        return RequestFilters()
    status = st.segmented_control(
        "Status", STATUSES, default="All", label_visibility="collapsed", key="requests-status"
    )
    with st.container(horizontal=True):
        model = st.selectbox("Model", ["", *models], format_func=lambda each: each or "All models")
        user = ""
        if users:
            name_of = {"": "All users", **users}
            user = st.selectbox("User", ["", *users], format_func=lambda each: name_of[each])
        time = st.selectbox("Handed in", list(TIMES))
    wanted = "" if status in {None, "All"} else str(status).lower()
    return RequestFilters(wanted, model, user, TIMES[time], users)


def _users(gateway: GatewayClient) -> dict[str, str]:
    return {user.id: user.name for user in gateway.users()}
