"""Tickets: let one listener in, once, within seconds, on any gateway of the installation.

A browser can send no credential with a WebSocket or an event stream but in the address, which ends
up in logs. A ticket there is worth nothing once it was used.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, or_, select

from modelyard.registry.database import Database, utc_now
from modelyard.registry.identity.grants import Grant
from modelyard.registry.notices.notice import Topic
from modelyard.registry.notices.tables import NoticeTicketRow

LIFE = timedelta(seconds=30)
MOST_UNUSED = 100
"""Tickets of one user that wait to be used; with one more the oldest lapses."""


@dataclass(frozen=True, slots=True)
class NoticeTicket:
    """Whose ticket it was, by which credential, and for which topics."""

    grant: Grant
    topics: frozenset[Topic]


@dataclass(frozen=True, slots=True)
class NoticeTickets:
    """The table of tickets; the texts themselves are not kept."""

    db: Database
    life: timedelta = LIFE

    def issue(self, ticket: NoticeTicket) -> str:
        """The text of a new ticket."""
        text = secrets.token_urlsafe(32)
        grant = ticket.grant
        row = NoticeTicketRow(
            sha256=_digest(text),
            user_id=grant.user_id,
            key_sha256=grant.key_sha256,
            session_issued_at=grant.session_issued_at,
            session_expires_at=grant.session_expires_at,
            topics=",".join(sorted(ticket.topics)),
            expires_at=utc_now() + self.life,
        )
        with self.db.begin() as session:
            mine = NoticeTicketRow.user_id == grant.user_id
            newest = select(NoticeTicketRow.expires_at).where(mine)
            newest = newest.order_by(NoticeTicketRow.expires_at.desc())
            oldest_kept = session.scalar(newest.offset(MOST_UNUSED - 1).limit(1))
            lapsed = NoticeTicketRow.expires_at <= utc_now()
            if oldest_kept is not None:
                lapsed = or_(lapsed, mine & (NoticeTicketRow.expires_at <= oldest_kept))
            session.execute(delete(NoticeTicketRow).where(lapsed))
            session.add(row)
        return text

    def redeem(self, text: str) -> NoticeTicket | None:
        """What the ticket is good for; None for every text but an unused, unexpired ticket's."""
        used = delete(NoticeTicketRow).where(NoticeTicketRow.sha256 == _digest(text))
        with self.db.begin() as session:
            row = session.scalar(used.returning(NoticeTicketRow))
            if row is None or row.expires_at <= utc_now():
                return None
            grant = Grant(
                row.user_id, row.key_sha256, row.session_issued_at, row.session_expires_at
            )
            return NoticeTicket(grant, frozenset(map(Topic, row.topics.split(","))))

    def unused(self) -> int:
        """How many tickets wait to be used."""
        with self.db.read() as session:
            return session.scalar(select(func.count()).select_from(NoticeTicketRow)) or 0


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
