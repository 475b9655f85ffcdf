"""Tables of callbacks that are to be sent, of each try, and of the secrets they are signed with."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from modelyard.registry.database import Base, UtcDateTime


class CallbackRow(Base):
    """One event that is told to one address; written in the transaction that it tells of.

    `id` is the webhook id (`msg_…`), the same at every try; `subject` is the id of what ended.
    """

    __tablename__ = "callbacks"
    __table_args__ = (
        Index("callbacks_by_time", "state", "due_at"),
        Index("callbacks_by_subject", "subject"),
        Index("callbacks_by_user", "user_id", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(50), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(36))
    subject: Mapped[str] = mapped_column(String(50))
    kind: Mapped[str] = mapped_column(String(50))
    url: Mapped[str] = mapped_column(String(2048))
    host: Mapped[str] = mapped_column(String(255))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(20))
    tries: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)


class CallbackTryRow(Base):
    """One try, and what came of it: a status, or why there is none."""

    __tablename__ = "callback_tries"
    callback_id: Mapped[str] = mapped_column(
        ForeignKey("callbacks.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[float]
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(300))


class CallbackAddressRow(Base):
    """An address of a user's that fails, or was switched off; `key` is sha256(user, address)."""

    __tablename__ = "callback_addresses"
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(36), index=True)
    url: Mapped[str] = mapped_column(String(2048))
    failing_since: Mapped[datetime] = mapped_column(UtcDateTime)
    failed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(String(300), default="")


class CallbackSecretRow(Base):
    """A user's signing secret, encrypted; two at once while one is replaced."""

    __tablename__ = "callback_secrets"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(36), index=True)
    secret: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
