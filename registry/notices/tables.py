"""The tables of notices, and of the tickets by which a listener is let in."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from modelyard.registry.database import Base, UtcDateTime, utc_now


class NoticeRow(Base):
    """A notice; ids are given in the order of the commits (`modelyard.registry.marks`)."""

    __tablename__ = "notices"
    __table_args__ = (Index("notices_by_topic", "topic", "id"),)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    topic: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(50))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    visibility: Mapped[str] = mapped_column(String(20))
    owner_id: Mapped[str | None] = mapped_column(String(36))
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class NoticeTicketRow(Base):
    """A ticket, kept as its sha256, and the credential that it was given for."""

    __tablename__ = "notice_tickets"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(36), index=True)
    key_sha256: Mapped[str | None] = mapped_column(String(64))
    session_issued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    session_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    topics: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
