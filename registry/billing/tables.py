"""Tables of user quotas and of usage per request."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from modelyard.registry.database import Base, UtcDateTime


class UserQuotaRow(Base):
    """A user's limits and request count; `period` changes each time the count is reset."""

    __tablename__ = "user_quotas"
    user_id: Mapped[str] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    gpu_limit: Mapped[int] = mapped_column(default=0)
    request_limit: Mapped[int] = mapped_column(BigInteger, default=0)
    request_count: Mapped[int] = mapped_column(BigInteger, default=0)
    priority_limit: Mapped[int] = mapped_column(default=5)
    expiration_time: Mapped[datetime | None] = mapped_column(UtcDateTime)
    period: Mapped[int] = mapped_column(default=0)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class UsageRow(Base):
    """The usage of one request; `UsageRecord` describes the columns."""

    __tablename__ = "usage"
    __table_args__ = (Index("usage_by_time", "at"),)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    request_id: Mapped[str] = mapped_column(String(64))
    at: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[str] = mapped_column(String(36))
    model: Mapped[str] = mapped_column(String(200))
    version_id: Mapped[str] = mapped_column(String(36))
    device_id: Mapped[str] = mapped_column(String(100))
    route: Mapped[str] = mapped_column(String(50))
    status: Mapped[str] = mapped_column(String(10))
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    first_byte_ms: Mapped[float | None]
    total_ms: Mapped[float]
