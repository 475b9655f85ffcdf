"""What the routes of notices work with."""

from dataclasses import dataclass

from modelyard.registry.identity.grants import Grants
from modelyard.registry.notices.tickets import NoticeTickets
from modelyard.serving.notices.bus import NoticeBus

HEARTBEAT_S = 15.0
"""Seconds of silence after which a listener gets a sign that the connection is alive."""


@dataclass(frozen=True, slots=True)
class NoticeServices:
    """The bus, and what lets listeners onto it."""

    bus: NoticeBus
    tickets: NoticeTickets
    grants: Grants
    heartbeat_s: float = HEARTBEAT_S
